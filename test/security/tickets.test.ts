import { expect, test, vi } from 'vitest'
import type { Api } from '../support/api.ts'
import { startServer } from '../support/server.ts'
import type { NewKey, Ticket } from '../../src/wire/key.ts'
import { startLocked } from './locked.ts'

const ticketFor = async (api: Api, path: string) => (await api.post<Ticket>(`/v1/${path}/tickets`)).ticket

async function finishedRun(api: Api) {
  const group = await api.group(['ana'])
  const sent = await api.call('POST', `/v1/groups/${group.id}/messages`, { input: 'hi' })
  return { group: group.id, run: sent.headers.get('x-letta-run-id')! }
}

test('F86 a ticket opens the stream of its run, again and again, and nothing else', async () => {
  const { url, as, ana, ben } = await startLocked()
  const [{ run, group }, other] = [await finishedRun(ana.api), await finishedRun(ana.api)]
  const ticket = await ticketFor(as(ana.keys.read), `runs/${run}`)
  const status = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`${url}/v1/${path}?ticket=${ticket}`, init)
    await answer.body?.cancel()
    return answer.status
  }
  for (let i = 0; i < 3; i++) expect(await status(`runs/${run}/stream`)).toBe(200)
  expect(await status(`runs/${run}/stream`, { headers: { 'last-event-id': '9999' } })).toBe(204)
  expect(await status(`runs/${run}/stream/`)).toBe(200)
  const refused: [string, RequestInit?][] = [
    [`runs/${run}`],
    [`runs/${run}/messages`],
    [`runs/${run}/stream`, { method: 'POST' }],
    [`runs/${run}/cancel`, { method: 'POST' }],
    [`runs/${run}/tickets`, { method: 'POST' }],
    [`runs/${other.run}/stream`],
    [`groups/${group}/stream`],
    [`groups/${group}`],
    ['keys/'],
  ]
  for (const [path, init] of refused) expect([path, await status(path, init)]).toEqual([path, 401])
  expect((await as(ticket).call('GET', `/v1/runs/${run}`)).status).toBe(401)
  expect((await ben.api.call('POST', `/v1/runs/${run}/tickets`)).status).toBe(404)
  expect((await ben.api.call('POST', `/v1/groups/${group}/tickets`)).status).toBe(404)
})

test('F86 a ticket that is changed in any place is none', async () => {
  const { url, ana } = await startLocked()
  const { run } = await finishedRun(ana.api)
  const ticket = await ticketFor(ana.api, `runs/${run}`)
  const status = async (text: string) => (await fetch(`${url}/v1/runs/${run}/stream?ticket=${encodeURIComponent(text)}`)).status
  const broken = ['', '.', '..', 'x', ticket.slice(1), ticket.slice(0, -1), `${ticket}x`, `${ticket}.`, ticket.toUpperCase()]
  // The last letter carries 4 bits of the signature only, so another letter may say the same.
  for (let at = 0; at < ticket.length - 1; at++)
    broken.push(ticket.slice(0, at) + (ticket[at] === 'a' ? 'b' : 'a') + ticket.slice(at + 1))
  for (const text of broken) expect([text, await status(text)]).toEqual([text, 401])
  expect(await status(ticket)).toBe(200)
})

test('F86 a ticket is good for its time, and as long as its key', async () => {
  const { url, ana, as } = await startLocked({ ROUNDTABLE_TICKET_SECONDS: '120' })
  const { run } = await finishedRun(ana.api)
  const { key, id } = await ana.api.post<NewKey>('/v1/keys/', { name: 'page', scope: 'read' })
  const { ticket, expires_at } = await as(key).post<Ticket>(`/v1/runs/${run}/tickets`)
  const left = Date.parse(expires_at) - Date.now()
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThanOrEqual(120_000)
  const status = async () => (await fetch(`${url}/v1/runs/${run}/stream?ticket=${ticket}`)).status
  expect(await status()).toBe(200)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(expires_at) })
  try {
    expect(await status()).toBe(401)
  } finally {
    vi.useRealTimers()
  }
  await ana.api.call('DELETE', `/v1/keys/${id}`)
  expect(await status()).toBe(401)
})

test('a ticket is good after a restart', async () => {
  const first = await startLocked()
  const { run, group } = await finishedRun(first.ana.api)
  const ticket = await ticketFor(first.ana.api, `runs/${run}`)
  await first.close()
  const { url } = await startServer({ DATABASE_URL: `file:${first.file}` })
  expect((await fetch(`${url}/v1/runs/${run}/stream?ticket=${ticket}`)).status).toBe(200)
  expect((await fetch(`${url}/v1/groups/${group}/stream?ticket=${ticket}`)).status).toBe(401)
})

test('a ticket opens the feed of its group', async () => {
  const { url, ana } = await startLocked()
  const { group } = await finishedRun(ana.api)
  const other = await finishedRun(ana.api)
  const ticket = await ticketFor(ana.api, `groups/${group}`)
  const feed = await fetch(`${url}/v1/groups/${group}/stream?ticket=${ticket}`)
  expect([feed.status, feed.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
  await feed.body!.cancel()
  expect((await fetch(`${url}/v1/groups/${other.group}/stream?ticket=${ticket}`)).status).toBe(401)
})

test('where no key is needed a ticket is given all the same, and is worth nothing once one is', async () => {
  const { api, url } = await startServer()
  const { run } = await finishedRun(api)
  const ticket = await ticketFor(api, `runs/${run}`)
  const status = async () => (await fetch(`${url}/v1/runs/${run}/stream?ticket=${ticket}`)).status
  expect(await status()).toBe(200)
  await api.post('/v1/keys/', { name: 'first', scope: 'admin' })
  expect(await status()).toBe(401)
})
