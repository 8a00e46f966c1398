import { expect, test } from 'vitest'
import { Answer } from '../../src/llm/answer.ts'
import { ChatChunks } from '../../src/llm/openai-chunks.ts'
import type { Delta } from '../../src/llm/provider.ts'
import { collect, folded, modelCall, openAi, textOf, user, weather } from './call.ts'

const usage = {
  promptTokens: 10,
  completionTokens: 5,
  totalTokens: 15,
  cachedInputTokens: 0,
  cacheWriteTokens: null,
  reasoningTokens: 0,
}
const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
const chunk = (delta: object, finish_reason: string | null = null) => ({ choices: [{ index: 0, delta, finish_reason }] })

test('reasoning, then text, then how it ended and what it cost', async () => {
  const { llm, provider } = await openAi()
  llm.script([
    {
      reasoning: 'Hm, hm.',
      text: 'Good day to you.',
      usage: { promptTokens: 7, completionTokens: 9, cachedTokens: 3, reasoningTokens: 2 },
    },
  ])
  expect(folded(await collect(provider))).toEqual([
    { type: 'reasoning', text: 'Hm, hm.' },
    { type: 'text', text: 'Good day to you.' },
    {
      type: 'finish',
      reason: 'stop',
      usage: {
        promptTokens: 7,
        completionTokens: 9,
        totalTokens: 16,
        cachedInputTokens: 3,
        cacheWriteTokens: null,
        reasoningTokens: 2,
      },
    },
  ])
})

test('every delta of a tool call has its id and name; parallel calls stay apart', async () => {
  const { llm, provider } = await openAi()
  const calls = [
    { id: 'a', name: 'weather', arguments: '{"place": "Rome"}' },
    { id: 'b', name: 'time', arguments: '{"place": "Oslo"}' },
  ]
  llm.script([{ toolCalls: calls, chunk: 4 }])
  const deltas = await collect(provider, { tools: [weather] })
  expect(folded(deltas)).toEqual([
    ...calls.map((call) => ({ type: 'tool_call', ...call })),
    { type: 'finish', reason: 'tool_calls', usage },
  ])
  expect(deltas.filter(({ type }) => type === 'tool_call').length).toBeGreaterThan(8)
})

test('a call without an id gets one, arguments wait for the name, a repeated name is one name', async () => {
  const { llm, provider } = await openAi()
  const part = (tool: object) => chunk({ tool_calls: [tool] })
  llm.script([
    {
      raw: sse(
        part({ index: 0, function: { arguments: '{"a"' } }),
        part({ index: 0, function: { name: 'f', arguments: ':' } }),
        part({ index: 0, function: { name: 'f', arguments: '1}' } }),
        chunk({}, 'stop'),
        '[DONE]',
      ),
    },
  ])
  const [call, finish] = folded(await collect(provider))
  expect(call).toEqual({ type: 'tool_call', id: expect.stringMatching(/^call_[0-9a-f]{8}$/), name: 'f', arguments: '{"a":1}' })
  expect(finish).toMatchObject({ type: 'finish', reason: 'tool_calls' })
})

const whole = (id: string, index: number | undefined, args: unknown) => ({
  index,
  id,
  function: { name: 'f', arguments: args },
})

test('F44 calls that are all number 0, without numbers, or with an object for arguments', async () => {
  const { llm, provider } = await openAi()
  llm.script([
    {
      raw: sse(
        chunk({ tool_calls: [whole('x', 0, '{}'), whole('y', 0, { b: 2 }), whole('z', undefined, '')] }, 'tool_calls'),
        '[DONE]',
      ),
    },
  ])
  expect(folded(await collect(provider)).slice(0, 3)).toEqual([
    { type: 'tool_call', id: 'x', name: 'f', arguments: '{}' },
    { type: 'tool_call', id: 'y', name: 'f', arguments: '{"b":2}' },
    { type: 'tool_call', id: 'z', name: 'f', arguments: '' },
  ])
})

test('F40 a code point may be cut at every byte', async () => {
  const text = 'aé€😀\u2028\u0000ﷺz'
  const bytes = Buffer.from(
    sse(chunk({ content: text }), chunk({}, 'stop'), '[DONE]')
      .join('')
      .replace('\\u0000', '\\u0000'),
  )
  const { llm, provider } = await openAi()
  const start = bytes.indexOf('aé')
  for (let at = start; at < start + Buffer.byteLength(text) + 8; at++) {
    llm.script([{ raw: [bytes.subarray(0, at), bytes.subarray(at)] }])
    expect(textOf(await collect(provider))).toBe(text)
  }
})

test('F40 bytes that are no UTF-8 become replacement characters', async () => {
  const { llm, provider } = await openAi()
  const [head, tail] = sse(chunk({ content: 'a|b' }), chunk({}, 'stop'))
    .join('')
    .split('|')
  llm.script([{ raw: [Buffer.concat([Buffer.from(head!), Buffer.from([0xff, 0xc3]), Buffer.from(tail!)])] }])
  expect(textOf(await collect(provider))).toBe('a\uFFFD\uFFFDb')
})

test('what one network chunk brought is one array, its neighbouring texts one delta', async () => {
  const { llm, provider } = await openAi()
  const events = sse(chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({ reasoning: 'c' }), chunk({ content: 'd' }))
  llm.script([{ raw: [events.join(''), sse(chunk({ content: 'e' }, 'stop'), '[DONE]').join('')] }])
  const batches: Delta[][] = []
  await provider.stream(modelCall(), (batch) => void batches.push(batch))
  expect(batches[0]).toEqual([
    { type: 'text', text: 'ab' },
    { type: 'reasoning', text: 'c' },
    { type: 'text', text: 'd' },
  ])
  expect(batches).toHaveLength(2)
})

test.each([
  ['no [DONE]', sse(chunk({ content: 'x' }), chunk({}, 'stop'))],
  ['no last blank line', [...sse(chunk({ content: 'x' })), `data: ${JSON.stringify(chunk({}, 'stop'))}`]],
  [
    'comments and CRLF',
    [': hello\r\n\r\n', ...sse(chunk({ content: 'x' }), chunk({}, 'stop')).map((event) => event.replaceAll('\n', '\r\n'))],
  ],
  [
    'usage: null, no choices, null fields',
    sse({ usage: null }, { choices: [] }, chunk({ content: 'x', tool_calls: null }), chunk({ content: null }, 'stop')),
  ],
  ['more after [DONE]', sse(chunk({ content: 'x' }, 'stop'), '[DONE]', 'garbage', chunk({ content: 'y' }))],
])('F44 a whole answer for all that: %s', async (_, raw) => {
  const { llm, provider } = await openAi()
  llm.script([{ raw }])
  const deltas = await collect(provider)
  expect(textOf(deltas)).toBe('x')
  expect(deltas.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' })
})

test('F44 an answer in one piece, though a stream was asked for', async () => {
  const { llm, provider } = await openAi()
  llm.script([
    {
      status: 200,
      body: { choices: [{ message: { content: 'all of it' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1 } },
    },
  ])
  expect(textOf(await collect(provider))).toBe('all of it')
})

test('a refusal is text; a length and a filter end without a failure', async () => {
  const { llm, provider } = await openAi()
  llm.script([
    { raw: sse(chunk({ refusal: 'I would rather not.' }), chunk({}, 'stop')) },
    { finish: 'length' },
    { finish: 'content_filter' },
  ])
  expect(textOf(await collect(provider))).toBe('I would rather not.')
  expect(await collect(provider)).toMatchObject([{ type: 'finish', reason: 'length' }])
  expect(await collect(provider)).toMatchObject([{ type: 'finish', reason: 'content_filter' }])
})

test('F44 silence is a legitimate end after a tool result', async () => {
  const { llm, provider } = await openAi()
  llm.script([{ text: '' }])
  const messages = [
    user('Hi'),
    { role: 'assistant' as const, content: [{ type: 'tool_call' as const, id: 'a', name: 'weather', arguments: '' }] },
    { role: 'tool' as const, results: [{ id: 'a', name: 'weather', text: 'sun', isError: false }] },
  ]
  expect(await collect(provider, { messages })).toMatchObject([{ type: 'finish', reason: 'stop' }])
})

test('a model that hides its reasoning says so first', async () => {
  const { llm, provider } = await openAi()
  const [first, second] = await collect(provider, { model: 'gpt-5-mini' })
  expect([first, second]).toMatchObject([{ type: 'hidden_reasoning', state: 'omitted' }, { type: 'text' }])
  expect((await collect(provider, { model: 'gpt-4o' }))[0]).toMatchObject({ type: 'text' })
  expect(llm.requests).toHaveLength(2)
})

test('the request, in full', async () => {
  const { llm, provider } = await openAi()
  await collect(provider, {
    tools: [weather],
    toolChoice: { name: 'weather' },
    parallelToolCalls: false,
    settings: { temperature: 0.5, max_output_tokens: 99, response_format: { type: 'json_object' } },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image', mediaType: 'image/png', data: 'AAAA', detail: 'low' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', signature: 's' },
          { type: 'text', text: 'Looking' },
          { type: 'tool_call', id: 'a', name: 'weather', arguments: '{"place":"Rome"}' },
          { type: 'tool_call', id: 'b', name: 'weather', arguments: '{"pl' },
        ],
      },
      {
        role: 'tool',
        results: [
          { id: 'a', name: 'weather', text: 'sun', isError: false },
          { id: 'b', name: 'weather', text: 'bad arguments', isError: true },
        ],
      },
      user('And now?'),
    ],
  })
  const { body, headers, path } = llm.requests[0]!
  expect(path).toBe('/v1/chat/completions')
  expect(headers['authorization']).toBe('Bearer sk-secret-1234567890')
  expect(body).toEqual({
    model: 'scripted-small',
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.5,
    max_tokens: 99,
    response_format: { type: 'json_object' },
    tools: [{ type: 'function', function: weather }],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    parallel_tool_calls: false,
    messages: [
      { role: 'system', content: 'You are terse.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        ],
      },
      {
        role: 'assistant',
        content: 'Looking',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'weather', arguments: '{"place":"Rome"}' } },
          { id: 'b', type: 'function', function: { name: 'weather', arguments: '{"unreadable_arguments":"{\\"pl"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'sun' },
      { role: 'tool', tool_call_id: 'b', content: 'bad arguments' },
      { role: 'user', content: 'And now?' },
    ],
  })
})

test('two calls use one connection, one after the other', async () => {
  const { llm, provider } = await openAi()
  await collect(provider)
  // The end of the body comes just behind the end of the answer.
  await new Promise(setImmediate)
  await collect(provider)
  const [first, second] = llm.requests
  expect(second!.port).toBe(first!.port)
})

test('F41 a listener that asks for time stops the socket, and starts it again', async () => {
  const origin = { name: 'openai', endpoint: 'http://127.0.0.1/v1' }
  const chunks = new ChatChunks(origin, { hidesReasoning: false, maySayNothing: false })
  const heard: Delta[] = []
  let done = Promise.withResolvers<void>()
  const answer = new Answer(chunks, {
    origin,
    hear: (deltas) => {
      heard.push(...deltas)
      return heard.length % 3 === 0 ? done.promise : undefined
    },
    signal: new AbortController().signal,
    requestTimeoutMs: 1e6,
    streamTimeoutMs: 1e6,
    totalTimeoutMs: 1e6,
    answerLimitBytes: 1e6,
  })
  const socket = {
    paused: false,
    aborted: false,
    reason: null,
    pause: () => void (socket.paused = true),
    resume: () => void (socket.paused = false),
    abort: () => {},
  }
  const answered = answer.to(() => answer.onRequestStart(socket))
  answer.onResponseStart(socket, 200, { 'content-type': 'text/event-stream' })
  const send = (...events: unknown[]) => answer.onResponseData(socket, Buffer.from(sse(...events).join('')))
  for (let sent = 1; sent <= 100; sent++) {
    send(chunk({ content: 'x' }))
    expect(heard.length).toBe(sent)
    expect(socket.paused).toBe(sent % 3 === 0)
    if (!socket.paused) continue
    done.resolve()
    await done.promise
    done = Promise.withResolvers()
    expect(socket.paused).toBe(false)
  }
  send(chunk({}, 'stop'), '[DONE]')
  await answered
  expect(heard.slice(0, -1)).toEqual(heard.slice(1).map(() => ({ type: 'text', text: 'x' })))
  expect(heard.at(-1)).toMatchObject({ type: 'finish' })
})

test('F41 24 MB arrive in full', async () => {
  const { llm, provider } = await openAi()
  const big = 'x'.repeat(60_000)
  llm.script([
    { raw: [...Array.from({ length: 400 }, () => sse(chunk({ content: big }))[0]!), ...sse(chunk({}, 'stop'), '[DONE]')] },
  ])
  expect(textOf(await collect(provider)).length).toBe(big.length * 400)
})

test('the models that converse', async () => {
  const { llm, provider } = await openAi()
  llm.models = ['gpt-5', 'text-embedding-3-small', 'gpt-4o', 'whisper-1']
  expect(await provider.list()).toEqual(['gpt-4o', 'gpt-5'])
  await llm.close()
  expect(await provider.list()).toEqual([])
})
