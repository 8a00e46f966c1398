import { expect, test } from 'vitest'
import { asRefusal } from '../../src/errors.ts'
import { ContextOverflow, ProviderError, redact } from '../../src/llm/errors.ts'
import { openAiCompatible } from '../../src/llm/openai.ts'
import type { Delta } from '../../src/llm/provider.ts'
import { closing, collect, failing, KEY, modelCall, openAi, quick, textOf } from './call.ts'

const openAiBody = (message: string, code: string | null = null) => ({
  error: { message, type: 'invalid_request_error', code },
})

// streaming.md §9.4: status and body of the provider → what the caller sees; how often we asked.
test.each([
  [401, openAiBody(`Incorrect API key provided: ${KEY}.`), 'authentication', 401, 'llm_authentication', 1],
  [403, openAiBody('no'), 'permission', 500, 'llm_error', 1],
  [404, openAiBody('The model `x` does not exist', 'model_not_found'), 'not_found', 500, 'llm_error', 1],
  [400, openAiBody('temperature: too hot'), 'bad_request', 400, 'llm_error', 1],
  [402, openAiBody('pay'), 'credits', 402, 'llm_error', 1],
  [429, openAiBody('You exceeded your current quota', 'insufficient_quota'), 'credits', 402, 'llm_error', 1],
  [400, openAiBody('Your credit balance is too low'), 'credits', 402, 'llm_error', 1],
  [
    400,
    openAiBody("This model's maximum context length is 8192 tokens", 'context_length_exceeded'),
    'context_overflow',
    400,
    'internal_error',
    1,
  ],
  [413, 'Payload Too Large', 'context_overflow', 400, 'internal_error', 1],
  [422, { detail: 'odd' }, 'unprocessable', 500, 'llm_error', 1],
  [429, openAiBody('slow down'), 'rate_limit', 429, 'llm_rate_limit', 3],
  [500, 'oops', 'server', 500, 'llm_error', 3],
  [503, openAiBody('down'), 'server', 500, 'llm_error', 3],
  [503, openAiBody('The model is overloaded'), 'overloaded', 503, 'llm_error', 3],
  [529, openAiBody('busy'), 'overloaded', 503, 'llm_error', 3],
  [301, '', 'malformed', 400, 'internal_error', 1],
] as const)('F37 F42 HTTP %i %j is %s', async (status, body, kind, shown, errorType, tries) => {
  const { llm, provider } = await openAi()
  llm.script(() => ({ status, body }))
  const { error } = await failing(provider)
  expect(error).toBeInstanceOf(ProviderError)
  expect(error).toMatchObject({ kind, status: shown, errorType })
  expect(llm.requests).toHaveLength(tries)
  expect(error.message).toContain('openai (127.0.0.1:')
  expect(error.message + JSON.stringify(asRefusal(error).body())).not.toContain('secret')
})

test('the bodies: an error object, a detail for the overloaded and for the context', async () => {
  const { llm, provider } = await openAi()
  const bodyOf = async (status: number, text: string) => {
    llm.script(() => ({ status, body: openAiBody(text) }))
    return asRefusal((await failing(provider)).error).body()
  }
  expect(await bodyOf(400, 'odd')).toEqual({
    error: { type: 'llm_bad_request', message: expect.stringContaining('odd'), detail: 'odd' },
  })
  expect(await bodyOf(529, 'busy')).toEqual({ detail: expect.stringContaining('overloaded') })
  expect(await bodyOf(413, 'long')).toEqual({ detail: expect.stringMatching(/^CONTEXT_WINDOW_EXCEEDED: /) })
})

test('too long a context has a class of its own', async () => {
  const { llm, provider } = await openAi()
  llm.script([{ status: 400, body: openAiBody('prompt is too long: 300000 tokens') }])
  expect((await failing(provider)).error).toBeInstanceOf(ContextOverflow)
})

const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
const said = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })

test.each([
  ['an error event', [said('ab'), event({ error: { message: 'boom', type: 'server_error' } })], 'server'],
  ['a rate limit event', [said('ab'), event({ error: { message: 'slow', code: 429 } })], 'rate_limit'],
  ['an overload event', [said('ab'), event({ error: { type: 'overloaded_error', message: 'x' } })], 'overloaded'],
  [
    'a context event',
    [said('ab'), event({ error: { code: 'context_length_exceeded', message: 'x', type: 'invalid_request_error' } })],
    'context_overflow',
  ],
  ['an error that is a text', [said('ab'), event({ error: 'gone wrong' })], 'server'],
  ['garbage', [said('ab'), event('{"choices": [')], 'malformed'],
  ['JSON that is no object', [said('ab'), event('null')], 'malformed'],
  [
    'a call without a name',
    [said('ab'), event({ choices: [{ delta: { tool_calls: [{ index: 0, id: 'a' }] }, finish_reason: 'stop' }] })],
    'malformed',
  ],
  ['an end without a finish', [said('ab')], 'connection'],
  ['an end in a line', [said('ab'), 'data: {"choi'], 'connection'],
] as const)('F38 %s after the first delta: what came stays, nothing is asked again', async (_, raw, kind) => {
  const { llm, provider } = await openAi()
  llm.script([{ raw: [...raw] }])
  const { deltas, error } = await failing(provider)
  expect(textOf(deltas)).toBe('ab')
  expect(error).toMatchObject({ kind })
  expect(llm.requests).toHaveLength(1)
})

test('F35 a connection that is cut mid-token', async () => {
  const { llm, provider } = await openAi()
  llm.script([{ text: 'one two three four', cutAfter: 2 }])
  const { deltas, error } = await failing(provider)
  expect(textOf(deltas)).toBe('one two ')
  expect(error).toMatchObject({ kind: 'connection', status: 500, errorType: 'llm_error', stopReason: 'llm_api_error' })
  expect(llm.requests).toHaveLength(1)
})

test('F35 a connection that is cut before the first delta is tried again', async () => {
  const { llm, provider } = await openAi()
  llm.script([{ raw: [], cut: true }, { raw: [said('')], cut: true }, { text: 'third time lucky' }])
  expect(textOf(await collect(provider))).toBe('third time lucky')
  expect(llm.requests).toHaveLength(3)
})

test('F44 neither text nor a call', async () => {
  const { llm, provider } = await openAi()
  llm.script([{ text: '' }])
  expect((await failing(provider)).error).toMatchObject({
    status: 500,
    errorType: 'llm_empty_response',
    stopReason: 'invalid_llm_response',
  })
})

test('F44 a page instead of an API', async () => {
  const { llm, provider } = await openAi()
  llm.script([
    { raw: ['<html>Welcome</html>'], contentType: 'text/html' },
    { status: 200, body: 'no JSON' },
    { status: 200, body: { error: { code: 401, message: 'x' } } },
  ])
  expect((await failing(provider)).error).toMatchObject({ kind: 'malformed', stopReason: 'invalid_llm_response' })
  expect((await failing(provider)).error).toMatchObject({ kind: 'malformed' })
  expect((await failing(provider)).error).toMatchObject({ kind: 'authentication' })
})

test('F43 nobody listens there, and there is no such host', async () => {
  const { llm, provider } = await openAi()
  await llm.close()
  const { error } = await failing(provider)
  expect(error).toMatchObject({ kind: 'connection', status: 500, transient: true })
  expect(error.message).toMatch(/openai \(127\.0\.0\.1:\d+\).*ECONNREFUSED/)
  const lost = closing(openAiCompatible({ name: 'vllm', baseUrl: 'http://no-such-host.invalid/v1' }, quick))
  expect((await failing(lost)).error).toMatchObject({
    kind: 'connection',
    message: expect.stringContaining('no-such-host.invalid'),
  })
})

test('an abort closes the upstream and throws its reason', async () => {
  const { llm, provider } = await openAi()
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

test('an abort before the call, and one before the head', async () => {
  const { llm, provider } = await openAi()
  await expect(collect(provider, { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never')
  expect(llm.requests).toHaveLength(0)
  llm.script([{ silent: true, noHead: true }])
  const abort = new AbortController()
  const failed = failing(provider, { signal: abort.signal })
  await llm.received(1)
  abort.abort(new Error('cancelled'))
  expect((await failed).error).toEqual(new Error('cancelled'))
  await llm.requests[0]!.closed
})

test('a listener that throws closes the upstream, and its error comes back', async () => {
  const { llm, provider } = await openAi()
  const held = llm.hold()
  held.push('a')
  const enough = new Error('enough')
  const heard: Delta[][] = []
  const stream = provider.stream(modelCall(), (deltas) => {
    heard.push(deltas)
    throw enough
  })
  await expect(stream).rejects.toBe(enough)
  expect(heard).toEqual([[{ type: 'text', text: 'a' }]])
  await llm.requests[0]!.closed
})

test('F42 no key is ever shown', () => {
  expect(redact('key my-own-key is bad, sk-proj-****abcd and Bearer abc.def too', 'my-own-key')).toBe(
    'key [key] is bad, [key] and Bearer [key] too',
  )
})
