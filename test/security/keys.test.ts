import Database from 'better-sqlite3'
import { request } from 'node:http'
import { expect, test, vi } from 'vitest'
import { newKey } from '../../src/auth/keyring.ts'
import type { Key, NewKey } from '../../src/wire/key.ts'
import { startServer } from '../support/server.ts'
import { startLocked } from './locked.ts'

test('the first key locks the door, and must be one that makes others', async () => {
  const { api } = await startServer()
  const create = (scope: string) => api.call<NewKey>('POST', '/v1/keys/', { name: 'first', scope })
  expect(await create('write')).toMatchObject({ status: 409, body: { detail: expect.stringContaining('scope admin') } })
  expect(await api.get('/v1/groups/')).toEqual([])
  const { body: first } = await create('admin')
  expect(first.key).toMatch(/^rt-[\w-]{43}$/)
  expect((await api.call('GET', '/v1/groups/')).status).toBe(401)
  const headers = { authorization: `Bearer ${first.key}` }
  expect((await api.call('GET', '/v1/groups/', undefined, headers)).status).toBe(200)
})

test('a key is shown once, is stored as a hash, and remembers when it was used', async () => {
  const { ana, as, file } = await startLocked()
  const { key, ...made } = await ana.api.post<NewKey>('/v1/keys/', { name: 'ci', scope: 'read' })
  expect(made).toEqual({
    id: expect.stringMatching(/^key-/),
    name: 'ci',
    scope: 'read',
    requests_per_minute: null,
    tokens_per_day: null,
    created_at: expect.any(String),
    last_used_at: null,
    expires_at: null,
    revoked_at: null,
  } satisfies Key)
  const listed = async () => (await ana.api.get<Key[]>('/v1/keys/')).find(({ id }) => id === made.id)
  expect(await listed()).toEqual(made)
  await as(key).get('/v1/groups/')
  const used = await listed()
  expect(used!.last_used_at).not.toBeNull()
  await as(key).get('/v1/groups/')
  expect(await listed()).toEqual(used)
  const db = new Database(file, { readonly: true })
  const rows = JSON.stringify(db.prepare('SELECT * FROM keys').all())
  db.close()
  expect(rows).toContain(made.id)
  expect(rows).not.toContain(key)
})

test('a key that is revoked opens nothing from that moment, and stays in the list', async () => {
  const { ana, as } = await startLocked()
  const { key, id } = await ana.api.post<NewKey>('/v1/keys/', { name: 'lost' })
  expect((await as(key).call('GET', '/v1/groups/')).status).toBe(200)
  const revoked = await ana.api.call<Key>('DELETE', `/v1/keys/${id}`)
  expect(revoked.body.revoked_at).not.toBeNull()
  expect((await as(key).call('GET', '/v1/groups/')).status).toBe(401)
  expect((await ana.api.call('DELETE', `/v1/keys/${id}`)).body).toEqual(revoked.body)
  expect(await ana.api.get('/v1/keys/')).toContainEqual(revoked.body)
})

test('when all keys are revoked the door stays locked', async () => {
  const { api, url } = await startServer()
  const { key, id } = await api.post<NewKey>('/v1/keys/', { name: 'only', scope: 'admin' })
  const headers = { authorization: `Bearer ${key}` }
  expect((await api.call('DELETE', `/v1/keys/${id}`, undefined, headers)).status).toBe(200)
  expect((await fetch(`${url}/v1/groups/`)).status).toBe(401)
  expect((await fetch(`${url}/v1/groups/`, { headers })).status).toBe(401)
})

test('a key opens nothing once it has expired', async () => {
  const { ana, as } = await startLocked()
  const expires_at = new Date(Date.now() + 60_000).toISOString()
  const { key } = await ana.api.post<NewKey>('/v1/keys/', { name: 'short', expires_at })
  expect((await as(key).call('GET', '/v1/groups/')).status).toBe(200)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_001 })
  try {
    expect((await as(key).call('GET', '/v1/groups/')).status).toBe(401)
  } finally {
    vi.useRealTimers()
  }
})

test('F80 each scope opens what it is for', async () => {
  const { ana, as } = await startLocked()
  const group = await ana.api.group(['ana'])
  const sent = await ana.api.call('POST', `/v1/groups/${group.id}/messages`, { input: 'hi' })
  const run = sent.headers.get('x-letta-run-id')
  const table: [method: string, path: string, body: unknown, read: number, write: number][] = [
    ['GET', '/v1/groups/', undefined, 200, 200],
    ['GET', `/v1/runs/${run}`, undefined, 200, 200],
    ['POST', `/v1/runs/${run}/tickets`, {}, 200, 200],
    ['POST', `/v1/groups/${group.id}/tickets/`, {}, 200, 200],
    ['POST', '/v1/blocks/', { label: 'a', value: 'b' }, 403, 200],
    ['PATCH', `/v1/groups/${group.id}`, { description: 'x' }, 403, 200],
    ['POST', `/v1/groups/${group.id}/messages`, { input: 'hi' }, 403, 200],
    ['POST', `/v1/runs/${run}/cancel`, {}, 403, 200],
    ['GET', '/v1/keys/', undefined, 403, 403],
    ['GET', '/v1/keys', undefined, 403, 403],
    ['GET', '/v1/%6beys', undefined, 403, 403],
    ['GET', '/latest/keys/', undefined, 403, 403],
    ['POST', '/v1/keys/', { name: 'mine', scope: 'admin' }, 403, 403],
  ]
  for (const [method, path, body, ...expected] of table) {
    const call = async (key: string) => (await as(key).call(method, path, body)).status
    expect([method, path, await call(ana.keys.read), await call(ana.keys.write)]).toEqual([method, path, ...expected])
  }
  const stream = (key: string) =>
    as(key)
      .stream(`/v1/runs/${run}/stream`, {})
      .then(async (answer) => [answer.status, await answer.text()] as const)
  expect(await stream(ana.keys.read)).toEqual([200, expect.stringContaining('[DONE]')])
  const refused = await as(ana.keys.read).call('PATCH', `/v1/groups/${group.id}`, { description: 'x' })
  expect(refused.body).toEqual({ detail: 'This needs a key of scope write; yours is read' })
})

test('F80 who has no key is refused before a body is read', async () => {
  const { url } = await startLocked()
  const answer = await new Promise<{ status: number; challenge: string | undefined }>((resolve, reject) => {
    const headers = { 'content-type': 'text/plain', 'content-length': '1000000' }
    const sent = request(`${url}/v1/agents/`, { method: 'POST', headers, agent: false }, (got) => {
      resolve({ status: got.statusCode!, challenge: got.headers['www-authenticate'] })
      sent.destroy()
    })
    sent.on('error', reject)
    // Of all that was promised, this is what ever comes.
    sent.write('{')
  })
  expect(answer).toEqual({ status: 401, challenge: 'Bearer' })
})

test('F85 who somebody is, only the key says', async () => {
  const { url, ana, ben } = await startLocked()
  const group = await ana.api.group(['ana'])
  /** As it is: fetch would put headers of the same name together. */
  const status = (headers: Record<string, string | string[]>, query = '') =>
    new Promise<number>((resolve, reject) => {
      request(`${url}/v1/groups/${group.id}${query}`, { headers, agent: false }, (got) => resolve(got.resume().statusCode!))
        .on('error', reject)
        .end()
    })
  const { read, admin } = ana.keys
  const table: [name: string, status: number, headers: Record<string, string | string[]>, query?: string][] = [
    ['its key', 200, { authorization: `Bearer ${read}` }],
    ['another spelling', 200, { authorization: `bearer   ${read}` }],
    ['Letta’s other header', 200, { 'x-bare-password': `password ${read}` }],
    ['somebody else’s user_id', 200, { authorization: `Bearer ${read}`, user_id: ben.id }],
    ['its user_id, another’s key', 404, { authorization: `Bearer ${ben.keys.admin}`, user_id: ana.id }],
    ['its user_id, no key', 401, { user_id: ana.id }],
    ['two keys', 401, { authorization: [`Bearer ${read}`, `Bearer ${admin}`] }],
    ['the same twice', 401, { authorization: [`Bearer ${read}`, `Bearer ${read}`] }],
    ['two in one', 401, { authorization: `Bearer ${read}, Bearer ${admin}` }],
    ['no scheme', 401, { authorization: read }],
    ['another scheme', 401, { authorization: `Basic ${btoa(`x:${read}`)}` }],
    ['nothing behind the scheme', 401, { authorization: 'Bearer ' }],
    ['a part of it', 401, { authorization: `Bearer ${read.slice(0, -1)}` }],
    ['more than it', 401, { authorization: `Bearer ${read}x` }],
    ['its hash', 401, { authorization: `Bearer ${newKey().hash}` }],
    ...['key', 'api_key', 'token', 'access_token', 'authorization', 'ticket'].map(
      (name): [string, number, Record<string, string>, string] => [`?${name}=`, 401, {}, `?${name}=${admin}`],
    ),
  ]
  for (const [name, expected, headers, query] of table) expect([name, await status(headers, query)]).toEqual([name, expected])
})

test('F81 the keys of a tenant are its own', async () => {
  const { ana, ben } = await startLocked()
  const [theirs] = await ben.api.get<Key[]>('/v1/keys/')
  expect((await ana.api.get<Key[]>('/v1/keys/')).map(({ id }) => id)).not.toContain(theirs!.id)
  expect((await ana.api.call('DELETE', `/v1/keys/${theirs!.id}`)).status).toBe(404)
  expect(await ben.api.get('/v1/keys/')).toContainEqual(theirs)
})

test('F84 who tries keys is shut out for a while; who had the right one from there is not', async () => {
  const { as, ana, url } = await startLocked({ ROUNDTABLE_WRONG_KEYS_PER_MINUTE: '3' })
  const call = (key: string) => as(key).call('GET', '/v1/groups/')
  expect((await call(ana.keys.read)).status).toBe(200)
  for (const wrong of ['a', 'b', 'c']) expect((await call(wrong)).status).toBe(401)
  const refused = await call('d')
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.headers.get('x-should-retry')).toBe('false')
  // A right one that was not used from there before would be a lucky guess.
  expect((await call(ana.keys.write)).status).toBe(429)
  expect((await call(ana.keys.read)).status).toBe(200)
  expect((await fetch(`${url}/v1/health/`)).status).toBe(200)
})

test('F88 where there is a key, other machines are served, to those who have it', async () => {
  const { url, as, ana } = await startLocked({ HOST: '0.0.0.0' })
  expect((await fetch(`${url}/v1/groups/`)).status).toBe(401)
  expect((await as(ana.keys.read).call('GET', '/v1/groups/')).status).toBe(200)
})

test('an agent of any tenant has the built-in tools', async () => {
  const { ben } = await startLocked()
  const agent = await ben.api.agent({ include_base_tools: true })
  expect(agent.tools.map(({ name }) => name)).toContain('conversation_search')
})
