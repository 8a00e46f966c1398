import { expect, test } from 'vitest'
import { aiSdk } from '../../src/llm/ai-sdk.ts'
import { ContextOverflow } from '../../src/llm/errors.ts'
import type { Delta, PromptMessage } from '../../src/llm/provider.ts'
import { anthropic, closing, collect, failing, folded, KEY, modelCall, quick, scripted, textOf, user, weather } from './call.ts'

const said = [user('Hi')]

test('Anthropic: redacted and signed thinking, text, tools, and usage with its caches', async () => {
  const { llm, provider } = await anthropic()
  llm.script([
    {
      redacted: 'opaque',
      reasoning: 'Let me see.',
      signature: 'proof',
      text: 'I look it up.',
      toolCalls: [
        { id: 't1', name: 'weather', arguments: '{"place": "Rome"}' },
        { id: 't2', name: 'weather', arguments: '' },
      ],
      usage: { promptTokens: 10, completionTokens: 8, cachedTokens: 100, cacheWriteTokens: 20 },
    },
  ])
  const deltas = await collect(provider, { model: 'claude-test', tools: [weather] })
  expect(folded(deltas)).toEqual([
    { type: 'hidden_reasoning', state: 'redacted', data: 'opaque' },
    { type: 'reasoning', text: 'Let me see.', signature: 'proof' },
    { type: 'text', text: 'I look it up.' },
    { type: 'tool_call', id: 't1', name: 'weather', arguments: '{"place": "Rome"}' },
    { type: 'tool_call', id: 't2', name: 'weather', arguments: '{}' },
    {
      type: 'finish',
      reason: 'tool_calls',
      usage: {
        promptTokens: 130,
        completionTokens: 8,
        totalTokens: 138,
        cachedInputTokens: 100,
        cacheWriteTokens: 20,
        reasoningTokens: null,
      },
    },
  ])
  expect(deltas.filter(({ type }) => type === 'text').length).toBe(4)
})

test('Anthropic: what it signed goes back as it came, in its place', async () => {
  const { llm, provider } = await anthropic()
  const messages: PromptMessage[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'See' },
        { type: 'text', text: '' },
        { type: 'image', mediaType: 'image/png', data: 'AAAA' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'redacted_reasoning', data: 'opaque' },
        { type: 'reasoning', text: 'hm', signature: 'proof' },
        { type: 'text', text: 'Looking' },
        { type: 'tool_call', id: 'a', name: 'weather', arguments: '{"place":"Rome"}' },
      ],
    },
    { role: 'tool', results: [{ id: 'a', name: 'weather', text: 'no such place', isError: true }] },
  ]
  const settings = { max_output_tokens: 2000, thinking: { type: 'enabled' as const, budget_tokens: 1024 } }
  await collect(provider, { model: 'claude-test', tools: [weather], messages, settings, parallelToolCalls: false })
  const { body, headers, path } = llm.requests[0]!
  expect(path).toBe('/v1/messages')
  expect(headers['x-api-key']).toBe(KEY)
  expect(body).toMatchObject({
    model: 'claude-test',
    stream: true,
    max_tokens: 3024,
    thinking: { type: 'enabled', budget_tokens: 1024 },
    system: [{ type: 'text', text: 'You are terse.' }],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'redacted_thinking', data: 'opaque' },
          { type: 'thinking', thinking: 'hm', signature: 'proof' },
          { type: 'text', text: 'Looking' },
          { type: 'tool_use', id: 'a', name: 'weather', input: { place: 'Rome' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'no such place', is_error: true }] },
    ],
  })
})

test('Anthropic: it does not think when a tool is forced', async () => {
  const { llm, provider } = await anthropic()
  const settings = { thinking: { type: 'enabled' as const } }
  await collect(provider, { model: 'claude-test', tools: [weather], toolChoice: { name: 'weather' }, settings })
  expect(llm.requests[0]!.body).toMatchObject({ tool_choice: { type: 'tool', name: 'weather' } })
  expect(llm.requests[0]!.body.thinking?.type).not.toBe('enabled')
})

const anthropicError = (type: string, message = 'x') => ({ type: 'error', error: { type, message } })

test.each([
  [401, anthropicError('authentication_error', `invalid x-api-key ${KEY}`), 'authentication', 1],
  [400, anthropicError('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'), 'context_overflow', 1],
  [400, anthropicError('invalid_request_error', 'Your credit balance is too low'), 'credits', 1],
  [404, anthropicError('not_found_error', 'model: claude-x'), 'not_found', 1],
  [429, anthropicError('rate_limit_error'), 'rate_limit', 3],
  [500, anthropicError('api_error'), 'server', 3],
  [529, anthropicError('overloaded_error'), 'overloaded', 3],
] as const)('F37 F42 Anthropic: HTTP %i %j is %s', async (status, body, kind, tries) => {
  const { llm, provider } = await anthropic()
  llm.script(() => ({ status, body }))
  const { error } = await failing(provider)
  expect(error).toMatchObject({ kind })
  expect(error.message).not.toContain('secret')
  expect(error instanceof ContextOverflow).toBe(kind === 'context_overflow')
  expect(llm.requests).toHaveLength(tries)
})

const event = (type: string, fields: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const begin = [
  event('message_start', {
    message: {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'c',
      content: [],
      usage: { input_tokens: 1, output_tokens: 1 },
    },
  }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'ab' } }),
]

test.each([
  ['an error event', [...begin, event('error', { error: { type: 'overloaded_error', message: 'busy' } })], 'overloaded'],
  ['an end without a finish', begin, 'connection'],
  ['garbage', [...begin, 'data: {"type": \n\n'], 'malformed'],
] as const)('F38 Anthropic: %s after the first delta', async (_, raw, kind) => {
  const { llm, provider } = await anthropic()
  llm.script([{ raw: [...raw] }])
  const { deltas, error } = await failing(provider)
  expect(textOf(deltas)).toBe('ab')
  expect(error).toMatchObject({ kind })
  expect(llm.requests).toHaveLength(1)
})

test('F38 Anthropic: an error event instead of an answer is tried again, as is a lost connection', async () => {
  const { llm, provider } = await anthropic()
  llm.script([
    { raw: [event('error', { error: { type: 'overloaded_error', message: 'busy' } })] },
    { raw: [begin[0]!], cut: true },
  ])
  expect(textOf(await collect(provider))).toBe('Hello from scripted-small.')
  expect(llm.requests).toHaveLength(3)
})

test('F35 Anthropic: a connection cut mid-token, refused, or silent', async () => {
  const { llm, provider } = await anthropic()
  llm.script([{ text: 'one two three', cutAfter: 1 }])
  const { deltas, error } = await failing(provider)
  expect(textOf(deltas)).toBe('one ')
  expect(error).toMatchObject({ kind: 'connection' })
  await llm.close()
  const refused = (await failing(provider)).error
  expect(refused).toMatchObject({ kind: 'connection', message: expect.stringContaining('ECONNREFUSED') })
})

test('Anthropic: an abort closes the upstream and throws its reason', async () => {
  const { llm, provider } = await anthropic()
  const held = llm.hold()
  const abort = new AbortController()
  const first = Promise.withResolvers<Delta[]>()
  const stream = provider.stream(modelCall({ signal: abort.signal }), (deltas) => {
    first.resolve(deltas)
    return undefined
  })
  held.push('a')
  expect(await first.promise).toMatchObject([{ text: 'a' }])
  abort.abort(new Error('cancelled'))
  await expect(stream).rejects.toThrow('cancelled')
  await llm.requests[0]!.closed
})

test('Anthropic: neither text nor a call', async () => {
  const { llm, provider } = await anthropic()
  llm.script([{ text: '' }])
  expect((await failing(provider)).error).toMatchObject({ kind: 'empty' })
})

const gemini = (...parts: object[]) =>
  `data: ${JSON.stringify({ candidates: [{ index: 0, content: { role: 'model', parts } }] })}\n\n`
const geminiEnd = `data: ${JSON.stringify({
  candidates: [{ index: 0, finishReason: 'STOP', content: { role: 'model', parts: [{ text: '' }] } }],
  usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 3, thoughtsTokenCount: 2, totalTokenCount: 9 },
})}\n\n`

test('Gemini: thoughts, text, a signed call, and the same back', async () => {
  const llm = await scripted()
  const provider = closing(aiSdk({ kind: 'google', name: 'google_ai', baseUrl: llm.url, apiKey: KEY }, quick))
  const call = { functionCall: { name: 'weather', args: { place: 'Rome' } }, thoughtSignature: 'proof' }
  llm.script([
    { raw: [gemini({ text: 'Hm.', thought: true }), gemini({ text: 'Looking' }), gemini(call), geminiEnd] },
    { raw: [gemini({ text: 'Sun' }), geminiEnd] },
  ])
  const deltas = folded(await collect(provider, { model: 'gemini-2.5-flash', tools: [weather] }))
  expect(deltas).toEqual([
    { type: 'reasoning', text: 'Hm.' },
    { type: 'text', text: 'Looking' },
    { type: 'tool_call', id: expect.any(String), name: 'weather', arguments: '{"place":"Rome"}', signature: 'proof' },
    {
      type: 'finish',
      reason: 'tool_calls',
      usage: {
        promptTokens: 4,
        completionTokens: 3,
        totalTokens: 9,
        cachedInputTokens: 0,
        cacheWriteTokens: null,
        reasoningTokens: 2,
      },
    },
  ])
  const asked = { type: 'tool_call' as const, id: 'a', name: 'weather', arguments: '{"place":"Rome"}', signature: 'proof' }
  const messages: PromptMessage[] = [
    ...said,
    { role: 'assistant', content: [asked] },
    { role: 'tool', results: [{ id: 'a', name: 'weather', text: 'sun', isError: false }] },
  ]
  expect(textOf(await collect(provider, { model: 'gemini-2.5-flash', tools: [weather], messages }))).toBe('Sun')
  const { body, path, headers } = llm.requests[1]!
  expect(path).toMatch(/models\/gemini-2\.5-flash:streamGenerateContent/)
  expect(headers['x-goog-api-key']).toBe(KEY)
  expect(body.contents[1].parts[0]).toMatchObject({ functionCall: { name: 'weather' }, thoughtSignature: 'proof' })
})

test('F35 Gemini: an end without a finish', async () => {
  const llm = await scripted()
  const provider = closing(aiSdk({ kind: 'google', name: 'google_ai', baseUrl: llm.url, apiKey: KEY }, quick))
  llm.script([{ raw: [gemini({ text: 'half' })] }])
  const { deltas, error } = await failing(provider)
  expect(textOf(deltas)).toBe('half')
  expect(error).toMatchObject({ kind: 'connection' })
})
