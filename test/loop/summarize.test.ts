import { expect, onTestFinished, test } from 'vitest'
import type { z } from 'zod'
import { InvalidArgument } from '../../src/errors.ts'
import { ProviderError } from '../../src/llm/errors.ts'
import { createProviders } from '../../src/llm/index.ts'
import { summarizeAgent } from '../../src/loop/summarize.ts'
import type { CreateAgent } from '../../src/wire/agent.ts'
import { emptyStore } from '../db/build.ts'
import { quick } from '../llm/call.ts'
import { hear, row, text } from '../support/history.ts'
import { type Answer, scriptedProvider, type ScriptedRequest } from '../support/scripted-provider.ts'

const model = { handle: 'vllm/small', name: 'small', providerType: 'vllm', endpoint: '', contextWindow: 8000 }

/** An agent that heard `count` messages, and the model that is to summarise them. */
async function agentWith(count: number, create: z.input<typeof CreateAgent> = {}) {
  const { store, tenant, agent } = await emptyStore()
  const provider = await scriptedProvider()
  onTestFinished(() => provider.close())
  const settings = { kind: 'compatible' as const, name: 'vllm', baseUrl: provider.url, apiKey: undefined }
  const options = { ...quick, demoTokenMs: undefined }
  const providers = createProviders([settings], options)
  onTestFinished(() => providers.close())
  const { id } = await agent({ model: 'vllm/small', ...create }, { model })
  const rows = Array.from({ length: count }, (_, index) => row('user', [text(`It is ${index} o’clock.`)], { agentId: id }))
  await hear(store, tenant, id, rows)
  return {
    provider,
    context: () => store.contextOf(id),
    summarize: (given: Parameters<typeof summarizeAgent>[3] = { signal: new AbortController().signal }) =>
      summarizeAgent({ store, providers }, tenant, id, given),
    answers: (...answers: Answer[]) => provider.script(answers),
  }
}

test('older messages become what the agent’s model says of them, by one call without tools', async () => {
  const { provider, summarize, answers, context } = await agentWith(19)
  answers({ text: 'It got late.' })
  expect(await summarize()).toEqual({ summary: 'It got late.', num_messages_before: 20, num_messages_after: 14 })
  const [request] = provider.requests
  expect(request!.body).toMatchObject({ model: 'small', messages: [{ role: 'system' }, { role: 'user' }] })
  expect(request!.body.messages[1].content).toContain('user: It is 0 o’clock.\nuser: It is 1 o’clock.')
  expect(request!.body.tools).toBeUndefined()
  expect((await context()).map(({ role }) => role).slice(0, 3)).toEqual(['system', 'summary', 'user'])
})

test('another summary takes up the one before', async () => {
  const { provider, summarize, answers } = await agentWith(19)
  answers({ text: 'It got late.' }, { text: 'It got very late.' })
  await summarize()
  expect(await summarize()).toEqual({ summary: 'It got very late.', num_messages_before: 14, num_messages_after: 10 })
  expect(provider.requests[1]!.body.messages[1].content).toMatch(/^\[Summary of what came before\]\nIt got late\.\n/)
})

test('the settings name another model, a prompt and an acknowledgement, for once or for the agent', async () => {
  const chosen = { model: 'vllm/large', prompt: 'As a haiku.', prompt_acknowledgement: true, mode: 'all' as const }
  const { provider, summarize, answers } = await agentWith(9, {
    compaction_settings: { ...chosen, mode: 'self_compact_sliding_window' },
    model_settings: { response_format: { type: 'json_object' }, temperature: 0.1 },
  })
  answers({ text: 'Late.' }, { text: 'Later.' })
  expect((await summarize()).num_messages_after).toBe(8)
  const settings = { ...chosen, clip_chars: null, sliding_window_percentage: 0.3 }
  expect((await summarize({ settings, signal: new AbortController().signal })).num_messages_after).toBe(3)
  const [own, { body }] = provider.requests as [ScriptedRequest, ScriptedRequest]
  expect(own.body).toMatchObject({ model: 'small', temperature: 0.1 })
  expect(body).toMatchObject({ model: 'large' })
  expect(body.messages).toMatchObject([{ content: 'As a haiku.' }, { role: 'user' }, { role: 'assistant' }, { role: 'user' }])
  expect(body).not.toHaveProperty('response_format')
  expect(body).not.toHaveProperty('temperature')
})

test('nothing to gain is 400, and the model is not asked', async () => {
  const { provider, summarize } = await agentWith(1)
  await expect(summarize()).rejects.toThrow(InvalidArgument)
  expect(provider.requests).toEqual([])
})

test('a model that fails leaves the context as it was', async () => {
  const { provider, summarize, context } = await agentWith(9)
  const before = await context()
  provider.script(() => ({ status: 401 }))
  await expect(summarize()).rejects.toThrow(ProviderError)
  expect(await context()).toEqual(before)
})

test('a call that is given up changes nothing', async () => {
  const { provider, summarize, context } = await agentWith(9)
  const before = await context()
  const abort = new AbortController()
  provider.script(() => ({ silent: true }))
  const asked = summarize({ signal: abort.signal })
  await provider.received(1)
  abort.abort(new Error('gone'))
  await expect(asked).rejects.toThrow('gone')
  expect(provider.requests).toHaveLength(1)
  expect(await context()).toEqual(before)
})
