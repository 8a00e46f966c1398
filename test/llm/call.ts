import { onTestFinished } from 'vitest'
import { aiSdk } from '../../src/llm/ai-sdk.ts'
import { openAiCompatible, type ClosableProvider, type ProviderOptions } from '../../src/llm/openai.ts'
import type { Delta, ModelCall, Provider } from '../../src/llm/provider.ts'
import { anthropicDialect, openAiDialect } from '../support/scripted-dialects.ts'
import { scriptedProvider, type ScriptedProvider } from '../support/scripted-provider.ts'

export const KEY = 'sk-secret-1234567890'
/** Nothing here waits for a clock: tries follow each other at once, and no timeout is in reach. */
export const quick: ProviderOptions = {
  requestTimeoutMs: 60_000,
  streamTimeoutMs: 60_000,
  totalTimeoutMs: 600_000,
  answerLimitBytes: 32 * 1024 * 1024,
  retry: { backoffMs: [0, 0] },
}

export const user = (text: string) => ({ role: 'user' as const, content: [{ type: 'text' as const, text }] })

export const modelCall = (over: Partial<ModelCall> = {}): ModelCall => ({
  model: 'scripted-small',
  system: 'You are terse.',
  messages: [user('Hi')],
  tools: [],
  toolChoice: 'auto',
  parallelToolCalls: true,
  settings: {},
  signal: new AbortController().signal,
  ...over,
})

export const weather = {
  name: 'weather',
  description: 'The weather at a place',
  parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
}

export async function scripted(): Promise<ScriptedProvider> {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  return llm
}

export function closing<T extends ClosableProvider>(provider: T): T {
  onTestFinished(() => provider.close())
  return provider
}

export async function openAi(options: Partial<ProviderOptions> = {}, name = 'openai') {
  const llm = await scripted()
  const provider = closing(openAiCompatible({ name, baseUrl: llm.url, apiKey: KEY }, { ...quick, ...options }))
  return { llm, provider }
}

export async function anthropic(options: Partial<ProviderOptions> = {}) {
  const llm = await scripted()
  const settings = { kind: 'anthropic' as const, name: 'anthropic', baseUrl: llm.url, apiKey: KEY }
  return { llm, provider: closing(aiSdk(settings, { ...quick, ...options })) }
}

/** Both ways in which we talk to models: a reader of our own, and the AI SDK. */
export const dialects = [
  { name: 'OpenAI', start: openAi, dialect: openAiDialect },
  { name: 'Anthropic', start: anthropic, dialect: anthropicDialect },
]

export async function collect(provider: Provider, over: Partial<ModelCall> = {}): Promise<Delta[]> {
  const deltas: Delta[] = []
  await provider.stream(modelCall(over), (batch) => void deltas.push(...batch))
  return deltas
}

/** What came, and what it ended with. */
export async function failing(provider: Provider, over: Partial<ModelCall> = {}): Promise<{ deltas: Delta[]; error: Error }> {
  const deltas: Delta[] = []
  try {
    await provider.stream(modelCall(over), (batch) => void deltas.push(...batch))
  } catch (error) {
    if (error instanceof Error) return { deltas, error }
    throw error
  }
  throw new Error(`did not fail: ${JSON.stringify(deltas)}`)
}

/** Text and arguments put together: how the network cut them is not what a test is about. */
export function folded(deltas: Delta[]): Delta[] {
  const whole: Delta[] = []
  for (const delta of deltas) {
    const last = whole.at(-1)
    if (delta.type === 'tool_call') {
      const call = whole.find((known) => known.type === 'tool_call' && known.id === delta.id)
      if (call?.type === 'tool_call') call.arguments += delta.arguments
      else whole.push({ ...delta })
    } else if (last && 'text' in delta && last.type === delta.type && 'text' in last)
      Object.assign(last, { ...delta, text: last.text + delta.text })
    else whole.push({ ...delta })
  }
  return whole
}

export const textOf = (deltas: Delta[]): string => deltas.map((delta) => (delta.type === 'text' ? delta.text : '')).join('')
