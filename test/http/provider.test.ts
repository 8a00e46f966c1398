import { expect, test } from 'vitest'
import type { Reply } from '../support/scripted-provider.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { allEvents, spoken, words } from './events.ts'

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
const tokens = { ...hi, streaming: true, stream_tokens: true }

test('reasoning, a tool call, its return and the text stream in order, and their tokens are summed over the steps', async () => {
  const { api, llm } = await startServer()
  const agent = await api.agent({ include_base_tools: true, memory_blocks: [{ label: 'human', value: 'Name: ?' }] })
  const args = JSON.stringify({ label: 'human', old_string: '?', new_string: 'Zoë' })
  llm.script([
    {
      reasoning: 'I should note that.',
      toolCalls: [{ id: 'call_9', name: 'memory_replace', arguments: args }],
      chunk: 7,
      usage: { promptTokens: 100, completionTokens: 20, cachedTokens: 64, reasoningTokens: 8 },
    },
    { text: 'Noted, Zoë.', usage: { promptTokens: 150, completionTokens: 5, cachedTokens: 100, reasoningTokens: 0 } },
  ])
  const given = await allEvents(await api.stream(`/v1/agents/${agent.id}/messages`, tokens))

  const order = words(given).filter((word, i, all) => word !== all[i - 1])
  expect(order).toEqual([
    'ping',
    'reasoning_message',
    'tool_call_message',
    'tool_return_message',
    'assistant_message',
    'stop_reason end_turn',
    'usage_statistics',
    '[DONE]',
  ])
  expect(given.map(({ id }) => id)).toEqual(given.map((_, i) => i + 1))
  const called = given.filter(({ data }) => data.message_type === 'tool_call_message')
  expect(called.map(({ data }) => data.tool_calls.arguments ?? '').join('')).toBe(args)
  const returned = given.find(({ data }) => data.message_type === 'tool_return_message')!.data
  expect(returned).toMatchObject({ name: 'memory_replace', status: 'success', tool_call_id: 'call_9', sender_id: agent.id })
  expect(spoken(given)).toEqual([`${agent.name}: Noted, Zoë.`])
  expect(given.at(-2)!.data).toMatchObject({
    prompt_tokens: 250,
    completion_tokens: 25,
    total_tokens: 275,
    cached_input_tokens: 164,
    reasoning_tokens: 8,
    step_count: 2,
    context_tokens: 155,
  })
  expect(await api.get(`/v1/agents/${agent.id}/core-memory/blocks/human`)).toMatchObject({ value: 'Name: Zoë' })
  // The second step shows the model its call, the result, and the memory as it is now.
  const [system, , call, result] = llm.requests[1]!.body.messages
  expect(system.content).toContain('Name: Zoë')
  expect(call.tool_calls[0]).toMatchObject({ id: 'call_9', function: { name: 'memory_replace', arguments: args } })
  expect(result).toMatchObject({ role: 'tool', tool_call_id: 'call_9' })
})

test('tokens that are merged, whole messages, the JSON answer and the lists say the same', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob', 'Cyd'])
  llm.script((_body, n) => ({ text: `Line ${n} of – 😀.`, chunk: 3 }))
  const pieces = spoken(await allEvents(await api.stream(`/v1/groups/${id}/messages/stream`, tokens)))
  const whole = spoken(await allEvents(await api.stream(`/v1/groups/${id}/messages/stream`, hi)))
  const { messages } = await api.post<{ messages: object[] }>(`/v1/groups/${id}/messages`, hi)
  const lines = (numbers: number[]) => numbers.map((n, i) => `${['Ann', 'Bob', 'Cyd'][i]}: Line ${n} of – 😀.`)
  expect(pieces).toEqual(lines([1, 2, 3]))
  expect(whole).toEqual(lines([4, 5, 6]))
  expect(spoken(messages.map((data) => ({ id: 0, event: undefined, data })))).toEqual(lines([7, 8, 9]))
  const listed = await api.get<object[]>(`/v1/groups/${id}/messages?order=asc&limit=100`)
  const all = [...lines([1, 2, 3]), ...lines([4, 5, 6]), ...lines([7, 8, 9])]
  expect(spoken(listed.map((data) => ({ id: 0, event: undefined, data })))).toEqual(all)
})

test('what a tool refuses is told to the model, and the turn goes on', async () => {
  const { api, llm } = await startServer()
  const agent = await api.agent({ include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] })
  llm.script([
    {
      toolCalls: [
        { id: 'a', name: 'memory_insert', arguments: '{"label":"nope","new_string":"x"}' },
        { id: 'b', name: 'memory_insert', arguments: '{"label":"hum' },
        { id: 'c', name: 'no_such_tool', arguments: '{}' },
        { id: 'd', name: 'memory_insert', arguments: '{"__proto__":{"label":"human"},"new_string":"x"}' },
      ],
    },
    { text: 'Never mind.' },
  ])
  const given = await allEvents(await api.stream(`/v1/agents/${agent.id}/messages`, { ...hi, streaming: true }))
  const { tool_returns: returns } = given.find(({ data }) => data.message_type === 'tool_return_message')!.data
  expect(returns.map((one: { tool_call_id: string; status: string }) => `${one.tool_call_id} ${one.status}`)).toEqual([
    'a error',
    'b error',
    'c error',
    'd error',
  ])
  expect(words(given).slice(-3)).toEqual(['stop_reason end_turn', 'usage_statistics', '[DONE]'])
})

const KEY = 'sk-test-canary'
const says = (message: string) => ({ error: { message, type: 'x', code: null } })
const later = { 'retry-after': '3600' } // longer than we wait: fails at once
const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`
const event = (error: object) => `data: ${JSON.stringify({ error })}\n\n`

const impatient = { LETTA_LLM_REQUEST_TIMEOUT_SECONDS: '0.25', LETTA_LLM_STREAM_TIMEOUT_SECONDS: '0.25' }

/** streaming.md §9.4: what the provider does → `stop_reason`, `error_type`, HTTP status and `error.type` of a JSON answer. */
const failures: [string, Reply, string, string, number, string][] = [
  ['401', { status: 401, body: says(`Bad key ${KEY}.`) }, 'llm_api_error', 'llm_authentication', 401, 'llm_authentication'],
  ['403', { status: 403, body: says(`Not with ${KEY}`) }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  ['404', { status: 404, body: says('No such model') }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  ['400', { status: 400, body: says('Too hot') }, 'llm_api_error', 'llm_error', 400, 'llm_bad_request'],
  ['402', { status: 402, body: says('Pay') }, 'llm_api_error', 'llm_error', 402, 'llm_insufficient_credits'],
  ['422', { status: 422, body: says('Odd') }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  ['429', { status: 429, body: says('Slow down'), headers: later }, 'llm_api_error', 'llm_rate_limit', 429, 'llm_rate_limit'],
  ['500', { status: 500, body: 'oops', headers: later }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  ['503', { status: 503, body: says('Down'), headers: later }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  [
    'a 401 within the stream',
    { raw: [chunk('He'), event({ code: 401, message: KEY })] },
    'llm_api_error',
    'llm_authentication',
    401,
    'llm_authentication',
  ],
  [
    'a 429 within the stream',
    { raw: [chunk('He'), event({ code: 429, message: 'Slow' })] },
    'llm_api_error',
    'llm_rate_limit',
    429,
    'llm_rate_limit',
  ],
  ['a cut within a token', { text: 'Hello there', cutAfter: 1 }, 'llm_api_error', 'llm_error', 500, 'llm_error'],
  [
    'a cut tool call',
    { toolCalls: [{ name: 'memory_insert', arguments: '{"a": 1}' }], cutAfter: 1 },
    'llm_api_error',
    'llm_error',
    500,
    'llm_error',
  ],
  ['silence before the head', { silent: true, noHead: true }, 'llm_api_error', 'llm_timeout', 504, 'llm_timeout'],
  ['silence after the head', { silent: true }, 'llm_api_error', 'llm_timeout', 504, 'llm_timeout'],
  ['silence after a token', { raw: [chunk('He')], open: true }, 'llm_api_error', 'llm_timeout', 504, 'llm_timeout'],
  ['garbage at once', { raw: ['data: {"choices":[\n\n'] }, 'invalid_llm_response', 'internal_error', 400, 'internal_error'],
  [
    'garbage after a token',
    { raw: [chunk('He'), 'data: nonsense\n\n'] },
    'invalid_llm_response',
    'internal_error',
    400,
    'internal_error',
  ],
  [
    'a web page',
    { raw: ['<html>Hi</html>'], contentType: 'text/html' },
    'invalid_llm_response',
    'internal_error',
    400,
    'internal_error',
  ],
  ['an empty answer', { text: '' }, 'invalid_llm_response', 'llm_empty_response', 500, 'llm_empty_response'],
]

test.each(failures)(
  'F36 F38 F42 %s fails alike before the first token and after it, and leaves nothing behind',
  async (name, reply, stop, errorType, status, bodyType) => {
    const server = await startServer({ ROUNDTABLE_STEP_RETRIES: '0', ...(name.startsWith('silence') && impatient) })
    const { api, llm } = server
    const { id } = await api.group(['Ann', 'Bob', 'Cyd'])
    for (const spokenBefore of [[], ['Ann: One.'], ['Ann: One.', 'Bob: Two.']]) {
      llm.script([...spokenBefore.map((line) => ({ text: line.slice(5) })), reply])
      const response = await api.stream(`/v1/groups/${id}/messages/stream`, tokens)
      expect(response.status).toBe(200)
      const given = await allEvents(response)
      expect(words(given).slice(-3)).toEqual([`stop_reason ${stop}`, `error error_message ${errorType}`, '[DONE]'])
      expect(words(given).filter((word) => word.startsWith('stop_reason'))).toHaveLength(1)
      expect(spoken(given).slice(0, spokenBefore.length)).toEqual(spokenBefore)
      await hasFailed(server, given[0]!.data.run_id, { stop, errorType })
      expectHarmless(given)
    }
    llm.script([reply])
    const answer = await api.call<{ error: { type: string; message: string }; run_id: string }>(
      'POST',
      `/v1/groups/${id}/messages`,
      hi,
    )
    expect(answer.status).toBe(status)
    // The input is stored: a client that sends it again by itself would say it twice.
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(answer.body).toMatchObject({ error: { type: bodyType, message: expect.stringContaining('openai (127.0.0.1:') } })
    await hasFailed(server, answer.body.run_id, { stop, errorType })
    expectHarmless(answer.body)
    expect(await api.get('/v1/runs/?active=true')).toEqual([])
    expect(await api.post(`/v1/groups/${id}/messages`, hi)).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
  },
)

async function hasFailed({ api }: TestServer, runId: string, { stop, errorType }: { stop: string; errorType: string }) {
  const run = await api.get(`/v1/runs/${runId}`)
  expect(run).toMatchObject({ status: 'failed', stop_reason: stop, metadata: { error: { error_type: errorType } } })
  const steps = await api.get<object[]>(`/v1/runs/${runId}/steps`)
  expect(steps[0]).toMatchObject({ status: 'failed', stop_reason: stop, error_type: errorType })
  expectHarmless([run, steps])
}

/** Neither the key nor where in our code it happened. */
function expectHarmless(shown: unknown) {
  expect(JSON.stringify(shown)).not.toContain(KEY)
  expect(JSON.stringify(shown)).not.toMatch(/\bat .*\.[tj]s:\d+|node_modules/)
}

test('an overloaded provider is 503', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent()
  llm.script([{ status: 503, body: says('The model is overloaded'), headers: later }])
  const { status, body } = await api.call('POST', `/v1/agents/${id}/messages`, hi)
  expect(status).toBe(503)
  expect(body).toMatchObject({ detail: expect.stringContaining('overloaded') })
})

test('an answer that ran out of tokens is kept, and its run has failed', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob'])
  llm.script(() => ({ text: 'Once upon', finish: 'length' }))
  const given = await allEvents(await api.stream(`/v1/groups/${id}/messages/stream`, tokens))
  expect(spoken(given)).toEqual(['Ann: Once upon'])
  expect(words(given).slice(-3)).toEqual(['stop_reason max_tokens_exceeded', 'usage_statistics', '[DONE]'])
  expect(await api.get(`/v1/runs/${given[0]!.data.run_id}`)).toMatchObject({
    status: 'failed',
    stop_reason: 'max_tokens_exceeded',
  })
  expect(await api.post(`/v1/groups/${id}/messages`, hi)).toMatchObject({ stop_reason: { stop_reason: 'max_tokens_exceeded' } })
})

test('F37 what passes by itself is tried again before anything is shown, and counted once', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'Ann' })
  llm.script([{ status: 429, headers: { 'retry-after': '0' } }, { raw: [], cut: true }, { text: 'Third time lucky.' }])
  const given = await allEvents(await api.stream(`/v1/agents/${id}/messages`, tokens))
  expect(spoken(given)).toEqual(['Ann: Third time lucky.'])
  // The reader is told of each wait.
  const waits = given.filter(({ data }) => data.event_type === 'model_retry').map(({ data }) => data.event_data)
  expect(waits).toMatchObject([
    { attempt: 2, wait_ms: expect.any(Number), reason: expect.stringContaining('limits our rate') },
    { attempt: 3, wait_ms: expect.any(Number), reason: expect.stringContaining('connection') },
  ])
  expect(given.at(-2)!.data).toMatchObject({ step_count: 1, prompt_tokens: 10 })
  expect(llm.requests).toHaveLength(3)
})

test('a partial answer that failed is listed with a mark and not shown to a model, and the input is', async () => {
  const { api, llm } = await startServer({ ROUNDTABLE_STEP_RETRIES: '0' })
  const { id } = await api.agent()
  llm.script([{ text: 'Lost words', cutAfter: 1 }])
  await allEvents(await api.stream(`/v1/agents/${id}/messages`, tokens))
  await api.post(`/v1/agents/${id}/messages`, { messages: [{ role: 'user', content: 'Again?' }] })
  const shown = JSON.stringify(llm.requests[1]!.body.messages.slice(1))
  expect(shown).toContain('Hi')
  expect(shown).toContain('Again?')
  expect(shown).not.toContain('Lost')
  const [, partial] = await api.get<object[]>(`/v1/agents/${id}/messages?order=asc&after=${await firstOf(api, id)}`)
  expect(partial).toMatchObject({ message_type: 'assistant_message', content: 'Lost ', is_err: true })
})

async function firstOf(api: TestServer['api'], agent: string): Promise<string> {
  const [system] = await api.get<{ id: string }[]>(`/v1/agents/${agent}/messages?order=asc&limit=1`)
  return system!.id
}

test('F35 a model that is cut off within its answer is asked again as a new step; what it had said is withdrawn', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'Ann' })
  llm.script([{ text: 'Lost words here', cutAfter: 2 }, { text: 'Found words.' }])
  const given = await allEvents(await api.stream(`/v1/agents/${id}/messages`, tokens))
  expect(words(given).slice(-3)).toEqual(['stop_reason end_turn', 'usage_statistics', '[DONE]'])
  const lost = given.find(({ data }) => data.content === 'Lost ')!.data
  const withdrawn = given.find(({ data }) => data.event_type === 'step_retry')!.data.event_data
  expect(withdrawn).toMatchObject({ step_id: lost.step_id, otids: [lost.otid], reason: expect.stringContaining('connection') })
  expect(spoken(given)).toEqual(['Ann: Lost words ', 'Ann: Found words.'])
  const run = given[0]!.data.run_id
  const listed = await api.get<{ content: string }[]>(`/v1/runs/${run}/messages`)
  expect(listed.map(({ content }) => content)).toEqual(['Hi', 'Found words.'])
  const steps = await api.get<{ id: string; status: string }[]>(`/v1/runs/${run}/steps?order=asc`)
  expect(steps.map(({ status }) => status)).toEqual(['failed', 'success'])
  expect(steps[0]!.id).toBe(lost.step_id)
  // The model is not shown its half answer.
  expect(JSON.stringify(llm.requests[1]!.body)).not.toContain('Lost')

  llm.script([{ text: 'Lost words here', cutAfter: 2 }, { text: 'Whole.' }])
  expect(await api.post(`/v1/agents/${id}/messages`, hi)).toMatchObject({
    messages: [{ message_type: 'assistant_message', content: 'Whole.' }],
    stop_reason: { stop_reason: 'end_turn' },
  })
})

test('F35 after enough tries the run fails, once, with all that was said last', async () => {
  const { api, llm } = await startServer({ ROUNDTABLE_STEP_RETRIES: '1' })
  const { id } = await api.agent({ name: 'Ann' })
  llm.script(() => ({ text: 'Lost words here', cutAfter: 2 }))
  const given = await allEvents(await api.stream(`/v1/agents/${id}/messages`, tokens))
  expect(words(given).slice(-3)).toEqual(['stop_reason llm_api_error', 'error error_message llm_error', '[DONE]'])
  expect(words(given).filter((word) => word.startsWith('stop_reason'))).toHaveLength(1)
  expect(llm.requests).toHaveLength(2)
  const listed = await api.get<{ content: string; is_err: boolean | null }[]>(`/v1/runs/${given[0]!.data.run_id}/messages`)
  expect(listed.map(({ content, is_err }) => [content, is_err])).toEqual([
    ['Hi', null],
    ['Lost words ', true],
  ])
})

test('F36 while a model stalls its readers hear pings, and then why the run ends', async () => {
  const { api, llm } = await startServer({ ...impatient, LETTA_KEEPALIVE_INTERVAL: '0.05' })
  const { id } = await api.agent()
  llm.script([{ raw: [chunk('He')], open: true }])
  const given = await allEvents(await api.stream(`/v1/agents/${id}/messages`, { ...tokens, include_pings: true }))
  const said = words(given)
  expect(said.slice(said.indexOf('assistant_message') + 1)).toContain('ping')
  expect(said.slice(-3)).toEqual(['stop_reason llm_api_error', 'error error_message llm_timeout', '[DONE]'])
})
