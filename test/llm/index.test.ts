import { expect, onTestFinished, test } from 'vitest'
import type { ProviderSettings } from '../../src/config/providers.ts'
import { contextWindow } from '../../src/llm/context-window.ts'
import { createProviders } from '../../src/llm/index.ts'
import { collect, quick, scripted, textOf } from './call.ts'

async function house(more: ProviderSettings[] = []) {
  const llm = await scripted()
  const settings: ProviderSettings[] = [{ kind: 'compatible', name: 'openai', baseUrl: llm.url, apiKey: 'k' }, ...more]
  const providers = createProviders(settings, { ...quick, demoTokenMs: 0 })
  onTestFinished(() => providers.close())
  return { llm, providers }
}

test('a handle leads to its provider; what it does not list is tried all the same', async () => {
  const { llm, providers } = await house()
  const { provider, model } = providers.resolve('openai/meta/llama-9')
  expect([provider.name, model]).toEqual(['openai', 'meta/llama-9'])
  expect(textOf(await collect(provider, { model }))).toBe('Hello from meta/llama-9.')
  expect(llm.requests[0]!.body.model).toBe('meta/llama-9')
  expect(providers.resolve('demo/chat').provider.name).toBe('demo')
})

test('an unknown provider is a 404 that names the known ones, half a handle is a 400', async () => {
  const { providers } = await house()
  expect(() => providers.resolve('nobody/x')).toThrow(
    /^NOT_FOUND: Handle nobody\/x not found, must be one of \[openai\/<model>, demo\/chat\]$/,
  )
  for (const half of ['openai', '/x', 'openai/', ''])
    expect(() => providers.resolve(half)).toThrow(expect.objectContaining({ status: 400 }))
})

test('all models of all, kept for a minute; who does not answer lists what we know of', async () => {
  const nobody = 'http://127.0.0.1:9'
  const { llm, providers } = await house([
    { kind: 'anthropic', name: 'anthropic', baseUrl: nobody, apiKey: 'k' },
    { kind: 'compatible', name: 'ollama', baseUrl: nobody, apiKey: undefined },
  ])
  const handles = (await providers.list()).map(({ handle }) => handle)
  expect(handles).toEqual([
    'openai/scripted-large',
    'openai/scripted-small',
    'anthropic/claude-haiku-4-5',
    'anthropic/claude-opus-4-5',
    'anthropic/claude-sonnet-4-5',
    'demo/chat',
  ])
  llm.models = ['new']
  expect((await providers.list()).map(({ handle }) => handle)).toEqual(handles)
})

test.each([
  ['gpt-5.2-mini', 272_000],
  ['gpt-4.1-nano', 256_000],
  ['gpt-4o-mini', 128_000],
  ['gpt-4', 8192],
  ['anthropic/claude-sonnet-4-5', 200_000],
  ['gemini-2.5-pro', 1_048_576],
  ['llama3', 128_000],
])('%s sees %i tokens', (model, tokens) => {
  expect(contextWindow(model)).toBe(tokens)
})
