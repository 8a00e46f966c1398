import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Api } from '../support/api.ts'
import { startServer, tempFolder } from '../support/server.ts'
import { allEvents, events, spoken, upTo, words } from './events.ts'

/*
 * What a request can ask for that meets a busy group or agent (design §5 row 10, faults.md F64, F68, F70).
 */

const say = (input: string, on_busy = 'enqueue') => ({ input, on_busy, stream_tokens: true })
const tail = async (server: { url: string }, run: string) => allEvents(await fetch(`${server.url}/v1/runs/${run}/stream`))

/** Sends and leaves. @returns the run */
async function send(api: Api, path: string, body: object): Promise<string> {
  const response = await api.stream(`${path}/messages/stream`, body)
  expect(response.status).toBe(200)
  await response.body!.cancel()
  return response.headers.get('x-letta-run-id')!
}

/** What was said in the group, oldest first. */
async function transcript(api: Api, group: string): Promise<string[]> {
  const listed = await api.get<{ message_type: string; name: string | null; content: string }[]>(
    `/v1/groups/${group}/messages?order=asc&limit=1000`,
  )
  return listed.map(({ message_type: type, name, content }) => `${type === 'user_message' ? 'user' : name}: ${content}`)
}

test('F64 fifty requests at once that are told to wait are answered one after the other, in the order of their acceptance', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.group(['Ann', 'Bob'])
  llm.script((body) => ({
    text: `You said ${JSON.stringify(body.messages)
      .match(/number \d+/g)!
      .at(-1)}.`,
  }))
  const runs = await Promise.all(Array.from({ length: 50 }, (_, n) => send(api, `/v1/groups/${id}`, say(`number ${n}`))))
  expect(new Set(runs).size).toBe(50)
  const streams = await Promise.all(runs.map((run) => tail(server, run)))
  for (const stream of streams) expect(words(stream).slice(-3)).toEqual(['stop_reason end_turn', 'usage_statistics', '[DONE]'])

  const accepted = await api.get<{ id: string }[]>('/v1/runs/?order=asc&limit=100')
  const order = accepted.map((run) => runs.indexOf(run.id))
  // Nobody speaks in between.
  expect(await transcript(api, id)).toEqual(
    order.flatMap((n) => [`user: number ${n}`, `Ann: You said number ${n}.`, `Bob: You said number ${n}.`]),
  )
})

test('a request in line tells its run at once, and is heard when it is its turn', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann'])
  const held = llm.hold()
  const first = await send(api, `/v1/groups/${id}`, say('First'))
  const stream = events(await api.stream(`/v1/groups/${id}/messages/stream`, say('Second')))
  const { run_id: second } = (await upTo(stream, 'ping')).data
  expect(await api.get(`/v1/runs/${second}`)).toMatchObject({ status: 'created' })
  expect(await transcript(api, id)).toEqual(['user: First'])
  const whole = api.post(`/v1/groups/${id}/messages`, { input: 'Third', on_busy: 'enqueue' })
  held.push('One.')
  held.finish()
  expect(spoken(await Array.fromAsync(stream))).toEqual(['Ann: Hello from gpt-4o-mini.'])
  expect(await whole).toMatchObject({ messages: [{ content: 'Hello from gpt-4o-mini.' }] })
  expect(await api.get(`/v1/runs/${first}`)).toMatchObject({ status: 'completed' })
  expect((await transcript(api, id)).filter((line) => line.startsWith('user'))).toEqual([
    'user: First',
    'user: Second',
    'user: Third',
  ])
})

test('while somebody waits in line nobody is taken before it, and a request that will not wait is refused', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  const [ann, bob] = agent_ids
  const held = llm.hold()
  await send(api, `/v1/agents/${ann}`, say('To Ann'))
  const waiting = await send(api, `/v1/groups/${id}`, say('To both'))
  // Bob is free, but the group waits for both.
  expect(await api.call('POST', `/v1/agents/${bob}/messages`, { input: 'To Bob' })).toMatchObject({
    status: 409,
    body: { run_id: waiting },
  })
  const last = await send(api, `/v1/agents/${bob}`, say('To Bob'))
  held.finish()
  await tail(server, last)
  const runs = await api.get<{ id: string; metadata: { group_id?: string } }[]>('/v1/runs/?order=asc')
  expect(runs.map((run) => run.id).slice(-2)).toEqual([waiting, last])
  expect(llm.requests).toHaveLength(4)
  expect(JSON.stringify(llm.requests.at(-1)!.body)).toContain('To both')
})

test('interrupt cancels what goes on, keeps what it said, and answers', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.group(['Ann'])
  const held = llm.hold()
  const stream = events(await api.stream(`/v1/groups/${id}/messages/stream`, say('Tell me a story')))
  const { run_id: first } = (await upTo(stream, 'ping')).data
  await llm.received(1)
  held.push('Once upon ')
  await upTo(stream, 'assistant_message')
  const second = await send(api, `/v1/groups/${id}`, say('Stop!', 'interrupt'))
  expect(words(await Array.fromAsync(stream))).toEqual(['stop_reason cancelled', 'usage_statistics', '[DONE]'])
  await tail(server, second)
  expect(await api.get(`/v1/runs/${first}`)).toMatchObject({ status: 'cancelled' })
  const said = ['user: Tell me a story', 'Ann: Once upon ', 'user: Stop!', 'Ann: Hello from gpt-4o-mini.']
  expect(await transcript(api, id)).toEqual(said)
  expect(JSON.stringify(llm.requests[1]!.body)).toContain('Once upon')
})

test('rollback takes back what the cancelled run was asked and said, from all who heard it', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.group(['Ann', 'Bob'])
  llm.script([{ text: 'Wrong.' }, { silent: true }])
  const first = await send(api, `/v1/groups/${id}`, say('A mistake'))
  await llm.received(2)
  const second = await send(api, `/v1/groups/${id}`, say('What I meant', 'rollback'))
  await tail(server, second)
  expect(await transcript(api, id)).toEqual([
    'user: What I meant',
    'Ann: Hello from gpt-4o-mini.',
    'Bob: Hello from gpt-4o-mini.',
  ])
  for (const { body } of llm.requests.slice(2)) expect(JSON.stringify(body)).not.toMatch(/Wrong|mistake/)
  // Its stream is a log: that stays.
  expect(spoken(await tail(server, first))).toEqual(['Ann: Wrong.'])
})

test('interrupt does not pass those who wait already', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.group(['Ann'])
  llm.script([{ silent: true }])
  await send(api, `/v1/groups/${id}`, say('First'))
  await llm.received(1)
  await send(api, `/v1/groups/${id}`, say('Second'))
  const third = await send(api, `/v1/groups/${id}`, say('Third', 'interrupt'))
  await tail(server, third)
  expect((await transcript(api, id)).filter((line) => line.startsWith('user'))).toEqual([
    'user: First',
    'user: Second',
    'user: Third',
  ])
})

test('a request that is cancelled in line is listed, heard by nobody, and its place is free', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id, agent_ids } = await api.group(['Ann'])
  const held = llm.hold()
  await send(api, `/v1/groups/${id}`, say('First'))
  const second = await send(api, `/v1/groups/${id}`, say('Never mind'))
  const third = await send(api, `/v1/groups/${id}`, say('Third'))
  expect(await api.post(`/v1/runs/${second}/cancel`)).toMatchObject({ status: 'cancelled' })
  expect(words(await tail(server, second))).toEqual(['ping', 'stop_reason cancelled', 'usage_statistics', '[DONE]'])
  held.finish()
  await tail(server, third)
  expect(await transcript(api, id)).toContain('user: Never mind')
  expect(llm.requests).toHaveLength(2)
  expect(JSON.stringify(llm.requests[1]!.body)).not.toContain('Never mind')
  expect(await api.call('POST', `/v1/agents/${agent_ids[0]}/messages/cancel`)).toMatchObject({ status: 409 })
})

test.each([
  ['is cancelled', 'cancel'],
  ['fails', 'fail'],
])('F70 the next in line begins when the run before it %s', async (_how, how) => {
  const server = await startServer({ ROUNDTABLE_STEP_RETRIES: '0' })
  const { api, llm } = server
  const { id } = await api.group(['Ann'])
  const held = llm.hold()
  const first = await send(api, `/v1/groups/${id}`, say('First'))
  const second = await send(api, `/v1/groups/${id}`, say('Second'))
  await llm.received(1)
  if (how === 'cancel') await api.post(`/v1/runs/${first}/cancel`)
  else {
    held.push('I am ')
    held.cut()
  }
  expect(words(await tail(server, second)).at(-3)).toBe('stop_reason end_turn')
  expect(await api.get('/v1/runs/?active=true')).toEqual([])
})

test('a request in line waits for the answer to a call, too', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.agent({ name: 'Ann' })
  llm.script([{ toolCalls: [{ id: 'call_1', name: 'look', arguments: '{}' }] }, { text: 'I see.' }, { text: 'And now this.' }])
  const asked = { input: 'Look!', client_tools: [{ name: 'look', description: 'Looks.' }] }
  expect(await api.post(`/v1/agents/${id}/messages`, asked)).toMatchObject({
    stop_reason: { stop_reason: 'requires_approval' },
  })
  const waiting = await send(api, `/v1/agents/${id}`, say('Next'))
  expect(await api.get(`/v1/runs/${waiting}`)).toMatchObject({ status: 'created' })
  const returned = { type: 'tool', tool_call_id: 'call_1', tool_return: 'A tree.', status: 'success' }
  await api.post(`/v1/agents/${id}/messages`, { messages: [{ type: 'approval', approvals: [returned] }] })
  expect(spoken(await tail(server, waiting))).toEqual(['Ann: And now this.'])
})

test('as many wait as may, and no more', async () => {
  const { api, llm } = await startServer({ ROUNDTABLE_QUEUE_LIMIT: '2' })
  const { id } = await api.group(['Ann'])
  llm.script([{ silent: true }])
  await send(api, `/v1/groups/${id}`, say('First'))
  await llm.received(1)
  await send(api, `/v1/groups/${id}`, say('Second'))
  await send(api, `/v1/groups/${id}`, say('Third'))
  const refused = await api.call('POST', `/v1/groups/${id}/messages`, say('Fourth'))
  expect(refused).toMatchObject({ status: 429, body: { detail: expect.stringContaining('2 requests wait') } })
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await api.get('/v1/runs/')).toHaveLength(3)
})

test('who waits in line still does after a restart', async () => {
  const settings = { DATABASE_URL: `file:${join(tempFolder(), 'test.db')}` }
  const before = await startServer(settings)
  const { id } = await before.api.group(['Ann'])
  before.llm.script([{ silent: true }])
  const first = await send(before.api, `/v1/groups/${id}`, say('First'))
  await before.llm.received(1)
  const second = await send(before.api, `/v1/groups/${id}`, say('Second'))
  await before.close()

  const after = await startServer(settings)
  expect(words(await tail(after, first)).at(-3)).toBe('stop_reason end_turn')
  expect(words(await tail(after, second)).at(-3)).toBe('stop_reason end_turn')
  expect((await transcript(after.api, id)).map((line) => line.split(' ')[0])).toEqual(['user:', 'Ann:', 'user:', 'Ann:'])
})
