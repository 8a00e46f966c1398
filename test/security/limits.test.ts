import { expect, test } from 'vitest'
import type { NewKey } from '../../src/wire/key.ts'
import { openReader } from '../support/reader.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startLocked } from './locked.ts'

const said = (text: string) => ({ role: 'user', content: text })

test('F97 what asks for too much is refused, field by field, and changes nothing', async () => {
  const { api } = await startServer({
    ROUNDTABLE_MAX_TEXT_CHARS: '10',
    ROUNDTABLE_MAX_MESSAGES: '2',
    ROUNDTABLE_MAX_STEPS: '5',
    ROUNDTABLE_MAX_TURNS: '3',
    ROUNDTABLE_MAX_MEMBERS: '2',
  })
  const group = await api.group(['ana', 'ben'])
  const [ana, ben] = group.agent_ids
  const turns = (max_turns: number) => ({ manager_config: { manager_type: 'round_robin', max_turns } })
  const send = `/v1/groups/${group.id}/messages`
  const table: [method: string, path: string, body: object, loc: (string | number)[]][] = [
    ['POST', send, { input: 'x'.repeat(11) }, ['messages', 0]],
    ['POST', `${send}/stream`, { messages: [said('hi'), said('x'.repeat(11))] }, ['messages', 1]],
    ['POST', send, { messages: [said('a'), said('b'), said('c')] }, ['messages']],
    [
      'POST',
      send,
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: '123456' },
              { type: 'text', text: '78901' },
            ],
          },
        ],
      },
      ['messages', 0],
    ],
    ['POST', `/v1/agents/${ana}/messages`, { input: 'hi', max_steps: 6 }, ['max_steps']],
    ['POST', '/v1/groups/', { agent_ids: [ana, ben, ana], description: '' }, ['agent_ids']],
    ['POST', '/v1/groups/', { agent_ids: [ana], description: '', ...turns(4) }, ['manager_config', 'max_turns']],
    ['PATCH', `/v1/groups/${group.id}`, { agent_ids: [ana, ben, ana] }, ['agent_ids']],
    ['PATCH', `/v1/groups/${group.id}`, turns(4), ['manager_config', 'max_turns']],
  ]
  for (const [method, path, body, loc] of table) {
    const answer = await api.call(method, path, body)
    expect([path, answer.status, answer.body]).toEqual([
      path,
      422,
      {
        detail: [
          { type: 'custom', loc: ['body', ...loc], msg: expect.stringMatching(/\d/), input: expect.toSatisfy(() => true) },
        ],
      },
    ])
  }
  expect(await api.get('/v1/runs/')).toEqual([])
  expect(await api.get('/v1/groups/')).toEqual([group])
  await api.post(send, { messages: [said('x'.repeat(10)), said('hi')], max_steps: 5 })
  await api.patch(`/v1/groups/${group.id}`, turns(3))
})

/** Begins a run that waits for its model, and says when the run has ended. */
async function begin({ api, llm, url }: Pick<TestServer, 'api' | 'llm' | 'url'>, key?: string) {
  const held = llm.hold()
  const agent = await api.agent()
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const reader = await openReader(`${url}/v1/agents/${agent.id}/messages/stream`, {
    method: 'POST',
    body: { input: 'hi' },
    headers,
  })
  expect(reader.status).toBe(200)
  return { reader, held, agent, run: reader.headers['x-letta-run-id'] as string }
}

test('F97 so many runs of a tenant are open and no more, until one has ended', async () => {
  const server = await startLocked({ ROUNDTABLE_OPEN_RUNS_PER_TENANT: '2' })
  const { ana, ben } = server
  const as = (tenant: typeof ana) => begin({ ...server, api: tenant.api }, tenant.keys.write)
  const first = await as(ana)
  await as(ana)
  const idle = await ana.api.agent()
  const refused = await ana.api.call('POST', `/v1/agents/${idle.id}/messages`, { input: 'hi' })
  expect(refused).toMatchObject({ status: 429, body: { detail: expect.stringContaining('This tenant has 2 open runs') } })
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(refused.headers.get('x-should-retry')).toBe('true')
  await as(ben)
  first.held.finish()
  await first.reader.ended
  expect((await ana.api.call('POST', `/v1/agents/${idle.id}/messages`, { input: 'hi' })).status).toBe(200)
})

test('F97 so many runs are open in all', async () => {
  const server = await startLocked({ ROUNDTABLE_OPEN_RUNS: '1' })
  await begin({ ...server, api: server.ana.api }, server.ana.keys.write)
  const agent = await server.ben.api.agent()
  const refused = await server.ben.api.call('POST', `/v1/agents/${agent.id}/messages`, { input: 'hi' })
  expect(refused).toMatchObject({ status: 503, body: { detail: expect.stringContaining('1 runs are open') } })
})

test('F97 a key has so many requests in a minute, and is told when there are more', async () => {
  const { ana, as } = await startLocked({ ROUNDTABLE_REQUESTS_PER_MINUTE: '3' })
  const { key } = await ana.api.post<NewKey>('/v1/keys/', { name: 'busy', requests_per_minute: 5 })
  const statuses = async (name: string, count: number) => {
    const all = await Promise.all(Array.from({ length: count }, () => as(name).call('GET', '/v1/groups/')))
    return all.map(({ status }) => status)
  }
  expect(await statuses(ana.keys.read, 4)).toEqual([200, 200, 200, 429])
  expect(await statuses(key, 6)).toEqual([200, 200, 200, 200, 200, 429])
  const refused = await as(key).call('GET', '/v1/groups/')
  expect(refused.body).toEqual({
    detail: expect.stringMatching(/^The key busy may make 5 requests in a minute: try again in \d+ s$/),
  })
  const { headers } = refused
  expect(headers.get('x-ratelimit-limit')).toBe('5')
  expect(headers.get('x-ratelimit-remaining')).toBe('0')
  expect(headers.get('x-ratelimit-reset')).toBe(headers.get('retry-after'))
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(60)
})

const usage = { promptTokens: 70, completionTokens: 30 }

test('F97 a key’s tokens of a day are counted as its runs end, also over a restart', async () => {
  const first = await startLocked({ ROUNDTABLE_TOKENS_PER_DAY: '250' })
  const { ana } = first
  const settings = { DATABASE_URL: `file:${first.file}`, ROUNDTABLE_TOKENS_PER_DAY: '250' }
  const agent = await ana.api.agent()
  const path = `/v1/agents/${agent.id}/messages`
  const sendTo = async ({ llm }: TestServer | typeof first, call: typeof ana.api.call, headers?: Record<string, string>) => {
    llm.script(() => ({ text: 'Hm.', usage }))
    return await call('POST', path, { input: 'hi' }, headers)
  }
  for (let i = 0; i < 2; i++) expect((await sendTo(first, ana.api.call)).status).toBe(200)
  await first.close()

  const second = await startServer(settings)
  const headers = { authorization: `Bearer ${ana.keys.admin}` }
  expect((await sendTo(second, second.api.call, headers)).status).toBe(200)
  const refused = await sendTo(second, second.api.call, headers)
  expect(refused).toMatchObject({ status: 429, body: { detail: expect.stringContaining('300 of its 250 tokens of today') } })
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(86_400)
  expect(refused.headers.get('x-should-retry')).toBe('false')
  expect(second.llm.requests).toHaveLength(1)
  // Another key has its own budget, and reading costs nothing.
  expect((await sendTo(second, second.api.call, { authorization: `Bearer ${ana.keys.write}` })).status).toBe(200)
  expect((await second.api.call('GET', path, undefined, headers)).status).toBe(200)
})

test('F97 what an agent asks of another is paid by the key that asked it', async () => {
  const { ana, ben, llm, as } = await startLocked()
  const { key } = await ana.api.post<NewKey>('/v1/keys/', { name: 'small', tokens_per_day: 150 })
  const tools = await ana.api.get<{ id: string; name: string }[]>('/v1/tools/?limit=100')
  const ask = tools.find(({ name }) => name === 'send_message_to_agent_and_wait_for_reply')!
  const other = await ana.api.agent({ name: 'other' })
  const asking = await ana.api.agent({ name: 'asking', tool_ids: [ask.id] })
  const call = { name: ask.name, arguments: JSON.stringify({ message: 'Well?', other_agent_id: other.id }) }
  llm.script([
    { toolCalls: [call], usage: { promptTokens: 10, completionTokens: 0 } },
    { text: 'So.', usage: { promptTokens: 140, completionTokens: 0 } },
    { text: 'It says so.', usage: { promptTokens: 0, completionTokens: 0 } },
  ])
  const send = () => as(key).call('POST', `/v1/agents/${asking.id}/messages`, { input: 'Ask it' })
  expect((await send()).status).toBe(200)
  expect(llm.requests).toHaveLength(3)
  expect(await send()).toMatchObject({ status: 429, body: { detail: expect.stringContaining('150 of its 150') } })
  expect((await ben.api.call('GET', '/v1/groups/')).status).toBe(200)
})

test('F97 so many requests of a key, and of a tenant, are open at once; a reader that leaves makes room', async () => {
  const server = await startLocked({ ROUNDTABLE_OPEN_REQUESTS_PER_KEY: '2', ROUNDTABLE_OPEN_REQUESTS_PER_TENANT: '3' })
  const { ana, ben, url, as } = server
  const { run } = await begin({ ...server, api: ana.api }, ana.keys.write)
  const read = (key: string) => openReader(`${url}/v1/runs/${run}/stream`, { headers: { authorization: `Bearer ${key}` } })
  const second = await read(ana.keys.write)
  expect(second.status).toBe(200)
  const third = await read(ana.keys.write)
  expect(third.status).toBe(429)
  expect((await read(ana.keys.read)).status).toBe(200)
  const full = await as(ana.keys.read).call('GET', '/v1/groups/')
  expect(full).toMatchObject({ status: 429, body: { detail: expect.stringContaining('This tenant has 3 requests open') } })
  expect((await ben.api.call('GET', '/v1/groups/')).status).toBe(200)
  second.close()
  await expect.poll(async () => (await as(ana.keys.read).call('GET', '/v1/groups/')).status, { timeout: 20_000 }).toBe(200)
})

test('F97 so many requests are open in all; who may not read is told before a run is begun for him', async () => {
  const server = await startServer({ ROUNDTABLE_OPEN_REQUESTS: '1' })
  const { api } = server
  const idle = await api.agent()
  const { held, reader } = await begin(server)
  const refused = await api.call('POST', `/v1/agents/${idle.id}/messages`, { input: 'hi' })
  expect(refused).toMatchObject({ status: 503, body: { detail: '1 requests are open' } })
  held.finish()
  await reader.ended
  await expect.poll(async () => (await api.call('GET', '/v1/runs/')).status, { timeout: 20_000 }).toBe(200)
  expect(await api.get<unknown[]>('/v1/runs/')).toHaveLength(1)
})
