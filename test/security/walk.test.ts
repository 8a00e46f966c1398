import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { NewKey } from '../../src/wire/key.ts'
import { eventually } from '../support/eventually.ts'
import { startLocked } from './locked.ts'
import { allRoutes, belongings, bodyFor, call, filled, type Ids, isUnsafe, refusalOf, unknownLike } from './routes.ts'

/*
 * Walks the routes that the app itself lists: a new one is in it from its first day, and fails here when it is not behind the
 * door, forgets the tenant, or has no example of its body.
 */

/** What everybody may load without a key. A new line here is a decision. */
const open = [/^\/(v1|latest)\/(health|ready)$/, /^\/openapi\.json$/, /^\/docs\//, /^\/$/, /^\/page\//]

/** What a `read` key may POST: it changes nothing. */
const readingPosts = [/\/runs\/:run_id\/(stream|tickets)$/, /\/groups\/:group_id\/tickets$/, /\/conversations\/[^/]+\/stream$/]

const routes = allRoutes()
const closed = routes.filter(({ path }) => !open.some((pattern) => pattern.test(path)))

test('the routes are found', () => {
  expect(closed.length).toBeGreaterThan(150)
  expect(closed).toContainEqual(expect.objectContaining({ method: 'POST', path: '/v1/groups/:group_id/messages/stream' }))
  expect(routes.length - closed.length).toBeLessThan(10)
})

/**
 * Everything that is stored, but when a key was last used, and where frames lie. Words for searches follow their rows when it is
 * quiet: until they have there is still something to come.
 */
async function stored(file: string): Promise<Record<string, unknown[]>> {
  const db = new Database(file, { readonly: true })
  const missing = db.prepare(`SELECT 1 FROM messages WHERE seq > (SELECT seq FROM search_marks WHERE words = 'message_search')`)
  try {
    await eventually(() => missing.get() === undefined)
    const names = db
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
      .pluck()
      .all() as string[]
    const tables = names.filter((name) => !['log', 'segments', 'leases'].includes(name))
    const all = Object.fromEntries(tables.map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]))
    for (const key of all['keys'] as Record<string, unknown>[]) delete key['last_used_at']
    return all
  } finally {
    db.close()
  }
}

const manyTries = { ROUNDTABLE_WRONG_KEYS_PER_MINUTE: '100000', ROUNDTABLE_REQUESTS_PER_MINUTE: '100000' }

test('F80 no route does anything without a key, with a bad, revoked or expired one, or with one of too little scope', async () => {
  const server = await startLocked(manyTries)
  const { url, ana, file } = server
  const ids = await belongings(server.ana.api)
  const revoked = await ana.api.post<NewKey>('/v1/keys/', { name: 'revoked', scope: 'admin' })
  await ana.api.call('DELETE', `/v1/keys/${revoked.id}`)
  const past = { name: 'expired', scope: 'admin', expires_at: '2020-01-01T00:00:00Z' }
  const expired = await ana.api.post<NewKey>('/v1/keys/', past)
  const before = await stored(file)
  for (const route of closed) {
    const path = filled(route.path, ids)
    const name = `${route.method} ${route.path}`
    for (const key of [undefined, 'rt-wrong', revoked.key, expired.key]) {
      const { status, text, headers } = await call(url, route, path, key, bodyFor(route, ids))
      expect([name, key, status, refusalOf(text)]).toEqual([name, key, 401, 'Unauthorized'])
      expect(headers.get('www-authenticate')).toBe('Bearer')
    }
    // Not even a body that is none is looked at.
    expect([name, (await call(url, route, path, undefined, '{"')).status]).toEqual([name, 401])
    const mayRead = !isUnsafe(route) || readingPosts.some((pattern) => pattern.test(route.path))
    if (mayRead && !/\/keys(\/|$)/.test(route.path)) continue
    const { status, text } = await call(url, route, path, ana.keys.read, bodyFor(route, ids))
    expect([name, status, refusalOf(text)]).toEqual([
      name,
      403,
      expect.stringMatching(/^This needs a key of scope (write|admin)/),
    ])
  }
  expect(await stored(file)).toEqual(before)
})

test('F81 what is another tenant’s looks on every route as what is nobody’s', async () => {
  const server = await startLocked(manyTries)
  const { url, ben, file } = server
  const ids = await belongings(server.ana.api)
  const before = await stored(file)
  for (const route of closed.filter(({ path }) => path.includes(':'))) {
    const name = `${route.method} ${route.path}`
    const answer = async (of: Ids) => {
      const { status, text } = await call(url, route, filled(route.path, of), ben.keys.admin, bodyFor(route, of))
      return { name, status, says: refusalOf(Object.values(of).reduce((all, id) => all.replaceAll(id, 'ID'), text)) }
    }
    const theirs = await answer(ids)
    // An agent's messages cannot be changed by anybody.
    const expected = /PATCH .*\/agents\/:agent_id\/messages\/:message_id/.test(name) ? 405 : 404
    expect(theirs).toEqual({ name, status: expected, says: expect.any(String) })
    expect(await answer(unknownLike(ids))).toEqual(theirs)
  }
  expect(await stored(file)).toEqual(before)
})

test('F81 no list shows anything of another tenant, nor takes its ids for cursors or filters', async () => {
  const server = await startLocked(manyTries)
  const { url, ben } = server
  const ids = await belongings(server.ana.api)
  const unknown = unknownLike(ids)
  const traces = [...Object.values(ids), 'ana-secret', 'ana_secret'].filter((trace) => trace !== 'persona')
  const lists = closed.filter((route) => !isUnsafe(route) && !route.path.includes(':') && route.path !== '/metrics')
  expect(lists.length).toBeGreaterThan(15)
  for (const route of lists) {
    const answer = (query: string) => call(url, route, `${route.path}?${query}`, ben.keys.admin, '')
    const { status, text } = await answer('')
    expect([route.path, status]).toEqual([route.path, 200])
    expect(traces.filter((trace) => text.includes(trace))).toEqual([])
    for (const name of Object.keys(ids).filter((one) => one.endsWith('_id'))) {
      for (const parameter of ['after', 'before', name]) {
        const [theirs, nobodys] = await Promise.all([
          answer(`${parameter}=${ids[name]}`),
          answer(`${parameter}=${unknown[name]}`),
        ])
        expect([route.path, parameter, theirs.status, theirs.text.replaceAll(ids[name]!, 'ID')]).toEqual([
          route.path,
          parameter,
          nobodys.status,
          nobodys.text.replaceAll(unknown[name]!, 'ID'),
        ])
      }
    }
  }
})

test('F81 nothing of one tenant can be built into something of another', async () => {
  const server = await startLocked(manyTries)
  const { ben } = server
  const ids = await belongings(server.ana.api)
  const [agent, group] = [await ben.api.agent(), await ben.api.group(['ben'])]
  const supervised = { manager_type: 'supervisor', manager_agent_id: ids['agent_id'] }
  const table: [method: string, path: string, body: object][] = [
    ['POST', '/v1/agents/', { block_ids: [ids['block_id']] }],
    ['POST', '/v1/agents/', { tool_ids: [ids['tool_id']] }],
    ['PATCH', `/v1/agents/${agent.id}`, { block_ids: [ids['block_id']] }],
    ['PATCH', `/v1/agents/${agent.id}`, { tool_ids: [ids['tool_id']] }],
    ['PATCH', `/v1/agents/${agent.id}/tools/attach/${ids['tool_id']}`, {}],
    ['PATCH', `/v1/agents/${agent.id}/core-memory/blocks/attach/${ids['block_id']}`, {}],
    ['POST', '/v1/groups/', { agent_ids: [ids['agent_id']], description: '' }],
    ['POST', '/v1/groups/', { agent_ids: [agent.id], description: '', manager_config: supervised }],
    ['POST', '/v1/groups/', { agent_ids: [agent.id], description: '', shared_block_ids: [ids['block_id']] }],
    ['PATCH', `/v1/groups/${group.id}`, { agent_ids: [agent.id, ids['agent_id']] }],
    ['PATCH', `/v1/groups/${group.id}/blocks/attach/${ids['block_id']}`, {}],
    ['POST', '/v1/chat/completions', { model: ids['group_id'], messages: [{ role: 'user', content: 'hi' }] }],
    ['POST', '/openai/v1/chat/completions', { model: 'ana-secret', messages: [{ role: 'user', content: 'hi' }] }],
    ['PATCH', `/v1/groups/${group.id}/messages/${ids['message_id']}`, { message_type: 'user_message', content: 'x' }],
  ]
  for (const [method, path, body] of table)
    expect([path, body, (await ben.api.call(method, path, body)).status]).toEqual([path, body, 404])
  // A tool call of Ana's is not Ben's to answer.
  const answer = { messages: [{ type: 'approval', approvals: [{ tool_call_id: 'call_1', approve: true }] }] }
  expect((await ben.api.call('POST', `/v1/agents/${ids['agent_id']}/messages`, answer)).status).toBe(404)
})

test('F81 the sums over all tenants are for the default one', async () => {
  const { ana, ben, url } = await startLocked()
  const status = async (key: string) => (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key}` } })).status
  expect([await status(ana.keys.read), await status(ben.keys.admin)]).toEqual([200, 404])
})

test('F82 a place in a stream of one tenant leads nowhere in another’s', async () => {
  const server = await startLocked(manyTries)
  const { ana, ben, url } = server
  const ids = await belongings(server.ana.api)
  const group = await ben.api.group(['ben'])
  const sent = await ben.api.call('POST', `/v1/groups/${group.id}/messages`, { input: 'hi' })
  const headers = { authorization: `Bearer ${ben.keys.read}` }
  const resume = async (path: string, place: string) => {
    const answer = await fetch(url + path, { headers: { ...headers, 'last-event-id': place } })
    return { status: answer.status, text: await answer.text() }
  }
  const own = await resume(`/v1/runs/${sent.headers.get('x-letta-run-id')}/stream`, '2')
  expect(own.text).toMatch(/^id: 3$/m)
  expect(own.text).not.toMatch(/^id: [12]$|ana-secret/m)
  // In the feed of a group the number of a run is part of the place: that of Ana's run, and of none.
  expect((await ana.api.call('GET', `/v1/runs/${ids['run_id']}`)).status).toBe(200)
  const [theirs, nobodys] = [
    await resume(`/v1/groups/${group.id}/stream`, '1.1'),
    await resume(`/v1/groups/${group.id}/stream`, '999.1'),
  ]
  expect(theirs.status).toBe(404)
  expect(theirs.text.replaceAll('1', 'N')).toBe(nobodys.text.replaceAll('999', 'N'))
})
