import { expect, test } from 'vitest'
import { captureLogs } from '../support/logs.ts'
import { startServer } from '../support/server.ts'
import { allEvents, events, spoken, upTo, words } from './events.ts'

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
const tokens = { ...hi, streaming: true, stream_tokens: true }
const cancelledEnd = ['stop_reason cancelled', 'usage_statistics', '[DONE]']

test.each([
  ['before its head', { silent: true, noHead: true }],
  ['after its head', { silent: true }],
] as const)('a run is cancelled while the model is silent %s', async (_when, reply) => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob'])
  llm.script([reply])
  const response = await api.stream(`/v1/groups/${id}/messages/stream`, tokens)
  const run = response.headers.get('x-letta-run-id')
  await llm.received(1)
  expect(await api.post(`/v1/runs/${run}/cancel`)).toMatchObject({ id: run, status: 'cancelled', stop_reason: 'cancelled' })
  await llm.requests[0]!.closed
  expect(words(await allEvents(response))).toEqual(['ping', ...cancelledEnd])
})

test('a run that is cancelled within a word keeps its input and all that was said, frees the group, and is cancelled once', async () => {
  const { api, llm } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  llm.script([{ text: 'I am done.' }])
  const sent = api.stream(`/v1/groups/${id}/messages/stream`, tokens)
  await llm.received(1)
  const half = llm.hold()
  const stream = events(await sent)
  const run = (await upTo(stream, 'ping')).data.run_id
  await llm.received(2)
  half.push('I am no')
  while ((await upTo(stream, 'assistant_message')).data.content !== 'I am no');
  // The run is its first member's; it may be cancelled there, too.
  expect(await api.post(`/v1/agents/${agent_ids[0]}/messages/cancel`)).toEqual({ [run]: 'cancelled' })
  await llm.requests[1]!.closed
  const rest = await Array.fromAsync(stream)
  expect(words(rest)).toEqual(cancelledEnd)
  expect(rest[1]!.data).toMatchObject({ step_count: 1, prompt_tokens: 10 })

  const ended = await api.get(`/v1/runs/${run}`)
  expect(ended).toMatchObject({ status: 'cancelled', stop_reason: 'cancelled' })
  expect(await api.post(`/v1/runs/${run}/cancel`)).toEqual(ended)
  const none = await api.call('POST', `/v1/agents/${agent_ids[0]}/messages/cancel`, {})
  expect(none).toMatchObject({ status: 409, body: { detail: expect.stringContaining('No active runs to cancel') } })
  expect(none.headers.get('x-should-retry')).toBe('false')
  expect(await api.get('/v1/runs/?active=true')).toEqual([])

  const listed = await api.get<{ message_type: string; content: string }[]>(`/v1/groups/${id}/messages?order=asc`)
  expect(listed.map(({ message_type: type, content }) => `${type} ${content}`)).toEqual([
    'user_message Hi',
    'assistant_message I am done.',
    'assistant_message I am no',
  ])
  const next = await api.post(`/v1/groups/${id}/messages`, hi)
  expect(next).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
})

test('a request for JSON that is cancelled is answered with what there was', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob'])
  llm.script([{ text: 'Done.' }, { silent: true }])
  const answer = api.post(`/v1/groups/${id}/messages`, hi)
  await llm.received(2)
  const [run] = await api.get<{ id: string }[]>('/v1/runs/?active=true')
  await api.post(`/v1/runs/${run!.id}/cancel`)
  const messages = [{ name: 'Ann', content: 'Done.' }]
  expect(await answer).toMatchObject({ messages, stop_reason: { stop_reason: 'cancelled' }, usage: { step_count: 1 } })
})

test('only runs of the agent can be cancelled at the agent', async () => {
  const { api, llm } = await startServer()
  const [ann, bob] = await Promise.all([api.agent({ name: 'Ann' }), api.agent({ name: 'Bob' })])
  const held = llm.hold()
  const response = await api.stream(`/v1/agents/${ann.id}/messages`, tokens)
  const run = response.headers.get('x-letta-run-id')!
  expect(await api.post(`/v1/agents/${bob.id}/messages/cancel`, { run_ids: [run] })).toEqual({ [run]: 'failed' })
  held.push('Still here.')
  held.finish()
  expect(spoken(await allEvents(response))).toEqual(['Ann: Still here.'])
})

test('while a run works its group and all of its members refuse another, naming it', async () => {
  const { api, llm } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  const held = llm.hold()
  const response = await api.stream(`/v1/groups/${id}/messages/stream`, tokens)
  const run = response.headers.get('x-letta-run-id')!
  for (const path of [`/v1/groups/${id}/messages`, `/v1/groups/${id}/messages/stream`, `/v1/agents/${agent_ids[1]}/messages`]) {
    const refused = await api.call('POST', path, hi)
    expect(refused).toMatchObject({
      status: 409,
      body: { run_id: run, detail: expect.stringContaining('is currently being processed') },
    })
    expect(refused.headers.get('x-should-retry')).toBe('true')
    expect(refused.headers.get('retry-after')).toBe('1')
  }
  held.push('Done.')
  held.finish()
  await allEvents(response)
  expect(await api.get<unknown[]>('/v1/runs/')).toHaveLength(1)
  await api.post(`/v1/agents/${agent_ids[1]}/messages`, hi)
})

test('a member that is talked to directly keeps its group waiting, and no other', async () => {
  const { api, llm } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  const other = await api.group(['Cyd'])
  const held = llm.hold()
  const response = await api.stream(`/v1/agents/${agent_ids[1]}/messages`, tokens)
  const refused = await api.call('POST', `/v1/groups/${id}/messages/stream`, hi)
  expect(refused).toMatchObject({ status: 409, body: { run_id: response.headers.get('x-letta-run-id') } })
  await llm.received(1)
  await api.post(`/v1/groups/${other.id}/messages`, hi)
  held.finish()
  await allEvents(response)
})

test('of many requests at once one is taken', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob'])
  const held = llm.hold()
  let refused = 0
  const send = async () => {
    const { status } = await api.call('POST', `/v1/groups/${id}/messages`, hi)
    if (status === 409 && ++refused === 19) {
      held.push('Hi.')
      held.finish()
    }
    return status
  }
  const answers = await Promise.all(Array.from({ length: 20 }, send))
  expect(answers.filter((status) => status !== 409)).toEqual([200])
})

test('a sender that leaves does not end the run', async () => {
  const { api, url, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob'])
  const held = llm.hold()
  const leave = new AbortController()
  const response = await api.stream(`/v1/groups/${id}/messages/stream`, tokens, { signal: leave.signal })
  const stream = events(response)
  const run = (await upTo(stream, 'ping')).data.run_id
  await llm.received(1)
  held.push('Are you ')
  await upTo(stream, 'assistant_message')
  leave.abort()
  held.push('there?')
  held.finish()
  const seen = await allEvents(await fetch(`${url}/v1/runs/${run}/stream`))
  expect(spoken(seen)).toEqual(['Ann: Are you there?', 'Bob: Hello from gpt-4o-mini.'])
  expect(words(seen).slice(-3)).toEqual(['stop_reason end_turn', 'usage_statistics', '[DONE]'])
  expect(await api.get(`/v1/runs/${run}`)).toMatchObject({ status: 'completed' })
})

test('a sender that waits for JSON and leaves does not end the run', async () => {
  const logs = captureLogs('warn')
  const { api, url, llm } = await startServer()
  const { id } = await api.agent({ name: 'Ann' })
  const held = llm.hold()
  const leave = new AbortController()
  const answer = api.stream(`/v1/agents/${id}/messages`, hi, { signal: leave.signal })
  await llm.received(1)
  leave.abort()
  await expect(answer).rejects.toThrow('aborted')
  held.push('Alone.')
  held.finish()
  const [run] = await api.get<{ id: string }[]>('/v1/runs/')
  expect(spoken(await allEvents(await fetch(`${url}/v1/runs/${run!.id}/stream`)))).toEqual(['Ann: Alone.'])
  expect(logs.lines).toEqual([])
})
