import { Letta as LatestLetta } from 'letta-client-latest'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import type { Run, Step } from '../../src/wire/run.ts'
import { startServer, type TestServer } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
type Item = any

const sent = async ({ api }: TestServer, agent: string, input: string): Promise<string> =>
  (await api.call('POST', `/v1/agents/${agent}/messages`, { input })).headers.get('x-letta-run-id')!

test('a send to an agent or a group that does not wait answers with its run at once', async () => {
  const server = await startServer()
  const { api, llm } = server
  const group = await api.group(['ana'])
  for (const path of [`/v1/groups/${group.id}`, `/v1/agents/${group.agent_ids[0]}`]) {
    const held = llm.hold()
    const run = await api.post<Run>(`${path}/messages/async`, { input: 'think' })
    expect(run).toMatchObject({ status: 'running', background: true })
    held.push('Done.')
    held.finish()
    await (await fetch(`${server.url}/v1/runs/${run.id}/stream`)).text()
    expect((await api.get<Run>(`/v1/runs/${run.id}`)).status).toBe('completed')
  }
  const refused = await api.call<Item>('POST', `/v1/agents/${group.agent_ids[0]}/messages/async`, {
    input: 'x',
    callback_url: 'https://example.org',
  })
  expect(refused).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'callback_url'] }] } })
})

test('steps of all runs are listed, filtered, judged, and show what was said in them', async () => {
  const server = await startServer()
  const { api } = server
  const [ana, ben] = [await api.agent({ name: 'ana' }), await api.agent({ name: 'ben', model: 'openai/other' })]
  await sent(server, ana.id, 'one')
  await sent(server, ben.id, 'two')
  const [second, first] = await api.get<Step[]>('/v1/steps/')
  expect([first!.agent_id, second!.agent_id]).toEqual([ana.id, ben.id])
  const ids = async (query: string) => (await api.get<Step[]>(`/v1/steps/?${query}`)).map(({ id }) => id)
  expect(await ids(`agent_id=${ana.id}`)).toEqual([first!.id])
  expect(await ids('model=other')).toEqual([second!.id])
  expect(await ids('order=asc')).toEqual([first!.id, second!.id])
  expect(await ids('start_date=2000-01-01')).toHaveLength(2)
  expect(await ids('end_date=2000-01-01T12:00:00%2B02:00')).toEqual([])
  expect(await ids('has_feedback=true')).toEqual([])
  expect(await ids('trace_ids=a&trace_ids=b')).toEqual([])
  expect((await api.call('GET', '/v1/steps/?start_date=yesterday')).status).toBe(422)

  const judged = await api.patch<Step>(`/v1/steps/${first!.id}/feedback`, { feedback: 'positive', tags: ['good', 'short'] })
  expect(judged).toEqual({ ...first, feedback: 'positive', tags: ['good', 'short'] })
  expect(await ids('feedback=positive')).toEqual([first!.id])
  expect(await ids('has_feedback=false')).toEqual([second!.id])
  expect(await ids('tags=short&tags=never')).toEqual([first!.id])
  expect(await api.patch(`/v1/steps/${first!.id}/feedback`, {})).toEqual(judged)
  expect(await api.patch(`/v1/steps/${first!.id}/feedback`, { feedback: null })).toMatchObject({
    feedback: null,
    tags: ['good', 'short'],
  })

  expect(await api.get<Item>(`/v1/steps/${second!.id}/messages`)).toMatchObject([
    { content: 'Hello from other.', step_id: second!.id },
  ])
  expect(await api.get<Item>(`/v1/steps/${second!.id}/metrics`)).toMatchObject({
    run_id: second!.run_id,
    llm_request_ns: expect.any(Number),
  })
  expect(await api.get(`/v1/steps/${second!.id}/trace`)).toBeNull()
  for (const path of ['', '/messages', '/metrics', '/trace']) {
    expect((await api.call('GET', `/v1/steps/${newId('step')}${path}`)).status).toBe(404)
    expect((await api.call('GET', `/v1/steps/step-1${path}`)).status).toBe(422)
  }
})

test('a run says how it went, has no trace and says why, and goes when it is deleted: what was said stays', async () => {
  const server = await startServer()
  const { api, llm } = server
  await api.post('/v1/tools/add-base-tools')
  const ana = await api.agent({ name: 'ana', tools: ['conversation_search'] })
  llm.script([{ toolCalls: [{ name: 'conversation_search', arguments: '{"query":"x"}' }] }, { text: 'Nothing found.' }])
  const run = await sent(server, ana.id, 'look')
  const [tool] = ana.tools
  expect(await api.get(`/v1/runs/${run}/metrics`)).toMatchObject({ num_steps: 2, tools_used: [tool!.id], agent_id: ana.id })
  expect(await api.call('GET', `/v1/runs/${run}/trace`)).toMatchObject({ status: 501, body: { detail: expect.any(String) } })

  const held = llm.hold()
  const { id: live } = await api.post<Run>(`/v1/agents/${ana.id}/messages/async`, { input: 'again' })
  expect((await api.call('DELETE', `/v1/runs/${live}`)).status).toBe(409)
  held.finish()
  await (await fetch(`${server.url}/v1/runs/${live}/stream`)).text()

  const said = await api.get<Item[]>(`/v1/agents/${ana.id}/messages`)
  expect((await api.call('DELETE', `/v1/runs/${run}`)).body).toBeNull()
  for (const path of ['', '/stream', '/steps', '/usage', '/metrics', '/messages', '/trace']) {
    expect((await api.call('GET', `/v1/runs/${run}${path}`)).status, path).toBe(404)
  }
  expect((await api.call('DELETE', `/v1/runs/${run}`)).status).toBe(404)
  const left = await api.get<Item[]>(`/v1/agents/${ana.id}/messages`)
  expect(left.map(({ id }) => id)).toEqual(said.map(({ id }) => id))
  expect((await api.get<Run[]>('/v1/runs/')).map(({ id }) => id)).toEqual([live])
})

test('a run whose calls wait for an answer is not deleted, nor one that another has taken up and not ended', async () => {
  const server = await startServer()
  const { api, llm } = server
  const ana = await api.agent({ name: 'ana' })
  const client_tools = [{ name: 'ask', parameters: { type: 'object', properties: {} } }]
  llm.script([{ toolCalls: [{ id: 'call-1', name: 'ask', arguments: '{}' }] }])
  const paused = (await api.call('POST', `/v1/agents/${ana.id}/messages`, { input: 'x', client_tools })).headers.get(
    'x-letta-run-id',
  )!
  expect(await api.call('DELETE', `/v1/runs/${paused}`)).toMatchObject({ status: 409 })
  const held = llm.hold()
  const answer = {
    type: 'tool_return',
    tool_returns: [{ type: 'tool', tool_call_id: 'call-1', status: 'success', tool_return: 'ok' }],
  }
  const { id: next } = await api.post<Run>(`/v1/agents/${ana.id}/messages/async`, { messages: [answer], client_tools })
  expect(await api.call('DELETE', `/v1/runs/${paused}`)).toMatchObject({ status: 409 })
  held.push('Fine.')
  held.finish()
  await (await fetch(`${server.url}/v1/runs/${next}/stream`)).text()
  expect(await api.call('DELETE', `/v1/runs/${paused}`)).toMatchObject({ status: 200 })
})

test('messages of all agents are listed, each utterance once, and one row is shown by its id', async () => {
  const server = await startServer()
  const { api } = server
  const group = await api.group(['ana', 'ben'])
  const alone = await api.agent({ name: 'cleo' })
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'to the group' })
  await sent(server, alone.id, 'to cleo')
  const all = await api.get<Item[]>('/v1/messages/?order=asc')
  const spoken = all.filter(({ message_type: type }) => type === 'user_message' || type === 'assistant_message')
  expect(spoken.map(({ name, content }) => `${name}: ${content}`)).toEqual([
    'null: to the group',
    'ana: Hello from gpt-4o-mini.',
    'ben: Hello from gpt-4o-mini.',
    'null: to cleo',
    'cleo: Hello from gpt-4o-mini.',
  ])
  expect((await api.get<Item[]>('/v1/messages/')).toReversed()).toEqual(all)
  expect(await api.get(`/v1/messages/${spoken[1].id}`)).toEqual([spoken[1]])
  expect((await api.call('GET', `/v1/messages/${newId('message')}`)).status).toBe(404)
  expect((await api.call('GET', `/v1/messages/?after=${newId('message')}`)).status).toBe(404)
})

test('a type filter never makes a page empty while there is more, in either direction', async () => {
  const server = await startServer()
  const { api } = server
  const ana = await api.agent({ name: 'ana' })
  for (let n = 0; n < 6; n++) await sent(server, ana.id, `number ${n}`)
  const path = `/v1/agents/${ana.id}/messages?include_return_message_types=system_message&limit=2`
  const forward = await api.get<Item[]>(path)
  expect(forward).toMatchObject([{ message_type: 'system_message' }])
  const [last] = await api.get<Item[]>(`/v1/agents/${ana.id}/messages?limit=1`)
  expect(await api.get(`${path}&order=asc&before=${last.id}`)).toEqual(forward)
})

test('a block tells which agents have it; tags of agents and blocks are listed by the alphabet', async () => {
  const { api } = await startServer()
  const block = await api.post<Item>('/v1/blocks/', { label: 'plan', value: '', tags: ['zeta', 'beta'] })
  const agents: Item[] = []
  for (const name of ['ana', 'ben', 'cleo']) {
    agents.push(await api.agent({ name, tags: ['beta', `of-${name}`], block_ids: name === 'cleo' ? [] : [block.id] }))
  }
  const holders = async (query = '') => (await api.get<Item[]>(`/v1/blocks/${block.id}/agents${query}`)).map(({ name }) => name)
  expect(await holders()).toEqual(['ben', 'ana'])
  expect(await holders('?order=asc&limit=1')).toEqual(['ana'])
  expect(await holders(`?order=asc&after=${agents[0].id}&include=agent.blocks`)).toEqual(['ben'])
  expect((await api.call('GET', `/v1/blocks/${newId('block')}/agents`)).status).toBe(404)

  const tags = (query = '') => api.get<string[]>(`/v1/tags/${query}`)
  expect(await tags()).toEqual(['beta', 'of-ana', 'of-ben', 'of-cleo', 'zeta'])
  expect(await tags('?order=desc&limit=2')).toEqual(['zeta', 'of-cleo'])
  expect(await tags('?after=beta&limit=2')).toEqual(['of-ana', 'of-ben'])
  expect(await tags('?before=of-cleo&limit=2')).toEqual(['of-ana', 'of-ben'])
  expect(await tags('?order=desc&before=of-ana&limit=1')).toEqual(['of-ben'])
  expect(await tags('?name=OF-')).toEqual(['of-ana', 'of-ben', 'of-cleo'])
})

test('the newest letta-client talks to an agent by its conversation, and finds its run again', async () => {
  const { api, llm, url } = await startServer()
  const latest = new LatestLetta({ baseURL: url, apiKey: 'any', maxRetries: 0 })
  const ana = await api.agent({ name: 'ana' })
  const messages = [{ role: 'user' as const, content: 'Hi', otid: 'first' }]
  const events: Item[] = await Array.fromAsync(
    (await latest.conversations.messages.create('default', { agent_id: ana.id, messages })) as AsyncIterable<Item>,
  )
  expect(events.map(({ message_type }) => message_type)).toEqual([
    'ping',
    'assistant_message',
    'stop_reason',
    'usage_statistics',
  ])
  const whole = await api.post<Item>(`/v1/conversations/${ana.id}/messages`, { messages, streaming: false, otid: 'second' })
  expect(whole.messages).toHaveLength(1)
  const listed: Item[] = await Array.fromAsync(
    latest.conversations.messages.list('default', { agent_id: ana.id, order: 'asc' }),
  )
  expect(listed).toEqual(await api.get(`/v1/agents/${ana.id}/messages?order=asc`))

  await expect(latest.conversations.messages.stream('default', { agent_id: ana.id })).rejects.toThrow('No active runs')
  const held = llm.hold()
  const run = await api.post<Run>(`/v1/agents/${ana.id}/messages/async`, { messages: [{ ...messages[0], otid: 'third' }] })
  const following = await latest.conversations.messages.stream(ana.id, {})
  held.push('There you are.')
  held.finish()
  const followed: Item[] = await Array.fromAsync(following as AsyncIterable<Item>)
  expect(new Set(followed.map(({ run_id }) => run_id))).toEqual(new Set([run.id]))
  for (const body of [{ run_id: run.id }, { otid: 'third' }]) {
    const again = await latest.conversations.messages.stream('default', { agent_id: ana.id, ...body })
    expect(await Array.fromAsync(again as AsyncIterable<Item>)).toEqual(followed)
  }
  const stuck = llm.hold()
  const { id } = await api.post<Run>(`/v1/agents/${ana.id}/messages/async`, { input: 'wait' })
  expect(await latest.conversations.cancel('default', { agent_id: ana.id })).toEqual({ [id]: 'cancelled' })
  stuck.finish()
})

test('a conversation that is not an agent’s own is unknown; `default` needs to know whose', async () => {
  const { api } = await startServer()
  const conv = `/v1/conversations/conv-${crypto.randomUUID()}`
  expect((await api.call('POST', `${conv}/messages`, { input: 'x' })).status).toBe(404)
  expect((await api.call('GET', `${conv}/messages`)).status).toBe(404)
  for (const [method, path] of [
    ['POST', 'messages'],
    ['GET', 'messages'],
    ['POST', 'stream'],
    ['POST', 'cancel'],
  ] as const) {
    const body = method === 'POST' ? { input: 'x' } : undefined
    const answer = await api.call<Item>(method, `/v1/conversations/default/${path}`, body)
    expect(answer, path).toMatchObject({ status: 422, body: { detail: [{ loc: [expect.any(String), 'agent_id'] }] } })
  }
})
