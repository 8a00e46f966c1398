import Database from 'better-sqlite3'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startServer, tempFolder } from '../support/server.ts'
import { allEvents, spoken } from './events.ts'

/*
 * The same request, sent again, leads to the same run (design §5 row 26, faults.md F1, F58, F66).
 */

const key = (value: string) => ({ 'idempotency-key': value })

test('F66 twenty identical requests at once with one key are one run, and the model is asked once', async () => {
  const { api, llm, url } = await startServer()
  const { id } = await api.group(['Ann'])
  const path = `/v1/groups/${id}/messages`
  const held = llm.hold()
  // Streaming or not makes no other request of it.
  const streams = Array.from({ length: 10 }, async () => {
    const headers = { 'content-type': 'application/json', ...key('one') }
    const response = await fetch(`${url}${path}/stream`, { method: 'POST', headers, body: '{"input": "Hi"}' })
    expect(response.status).toBe(200)
    return await response.text()
  })
  const wholes = Array.from({ length: 10 }, () => api.call('POST', path, { input: 'Hi' }, key('one')))
  await llm.received(1)
  held.push('Only once.')
  held.finish()
  const said = await Promise.all(streams)
  expect(new Set(said.map(withoutKeepalives)).size).toBe(1)
  for (const whole of await Promise.all(wholes)) {
    expect(whole).toMatchObject({ status: 200, body: { messages: [{ content: 'Only once.' }] } })
  }
  expect(await api.get('/v1/runs/')).toHaveLength(1)
  expect(llm.requests).toHaveLength(1)
  // And long after it has ended.
  expect((await api.call('POST', path, { input: 'Hi' }, key('one'))).body).toMatchObject({
    messages: [{ content: 'Only once.' }],
  })
  expect(llm.requests).toHaveLength(1)
})

/** What a reader retries with is its own. */
const withoutKeepalives = (text: string) => text.replaceAll(/^(retry: \d+|:.*)\n+/gm, '')

test('F66 another request with the key of an earlier one is refused, and names its run', async () => {
  const { api } = await startServer()
  const { id } = await api.agent()
  const path = `/v1/agents/${id}/messages`
  const first = await api.call('POST', path, { input: 'Hi' }, key('one'))
  const other = await api.call('POST', path, { input: 'Ho' }, key('one'))
  expect(other).toMatchObject({ status: 409, body: { run_id: first.headers.get('x-letta-run-id') } })
  expect(other.headers.get('x-should-retry')).toBe('false')
  expect(await api.get('/v1/runs/')).toHaveLength(1)
})

test('F66 a key belongs to one target, and is forgotten after a day', async () => {
  const file = join(tempFolder(), 'test.db')
  const { api } = await startServer({ DATABASE_URL: `file:${file}` })
  const [ann, bob] = await Promise.all([api.agent({ name: 'Ann' }), api.agent({ name: 'Bob' })])
  const send = async (agent: { id: string }) =>
    (await api.call('POST', `/v1/agents/${agent.id}/messages`, { input: 'Hi' }, key('one'))).headers.get('x-letta-run-id')
  const [first, second] = [await send(ann), await send(bob)]
  expect(second).not.toBe(first)
  expect(await send(ann)).toBe(first)
  const db = new Database(file)
  db.exec(`UPDATE request_keys SET created_at = created_at - 24 * 3600 * 1000`)
  db.close()
  expect(await send(ann)).not.toBe(first)
})

test('F58 inputs that all have an otid are known again by them', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann'])
  const path = `/v1/groups/${id}/messages`
  const body = (otid: string, content = 'Hi') => ({ messages: [{ role: 'user', content, otid }] })
  const first = await api.call('POST', path, body('mine'))
  const again = await allEvents(await api.stream(`${path}/stream`, body('mine')))
  expect(again[0]!.data.run_id).toBe(first.headers.get('x-letta-run-id'))
  expect(spoken(again)).toEqual(['Ann: Hello from gpt-4o-mini.'])
  expect(await api.call('POST', path, body('mine', 'Ho'))).toMatchObject({ status: 409 })
  // Without one it is another request each time.
  await api.post(path, { input: 'Hi' })
  await api.post(path, { input: 'Hi' })
  expect(llm.requests).toHaveLength(3)
})

test('the answer to a call that is sent again with its key is the same run', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent()
  const path = `/v1/agents/${id}/messages`
  llm.script([{ toolCalls: [{ id: 'call_1', name: 'look', arguments: '{}' }] }, { text: 'I see.' }])
  await api.post(path, { input: 'Look!', client_tools: [{ name: 'look', description: 'Looks.' }] })
  const returned = { type: 'tool', tool_call_id: 'call_1', tool_return: 'A tree.', status: 'success' }
  const answer = { messages: [{ type: 'approval', approvals: [returned] }] }
  const runs = await Promise.all(Array.from({ length: 5 }, () => api.call('POST', path, answer, key('answer'))))
  expect(new Set(runs.map(({ headers }) => headers.get('x-letta-run-id'))).size).toBe(1)
  expect(llm.requests).toHaveLength(2)
})

test.each([
  ['blanks', 'a b'],
  ['more than 255 characters', 'x'.repeat(256)],
  ['nothing', ''],
])('a key of %s is refused, and nothing is stored', async (_what, value) => {
  const { api } = await startServer()
  const { id } = await api.agent()
  const refused = await api.call('POST', `/v1/agents/${id}/messages`, { input: 'Hi' }, key(value))
  expect(refused).toMatchObject({ status: 400, body: { detail: expect.stringContaining('Idempotency-Key') } })
  expect(await api.get('/v1/runs/')).toEqual([])
})
