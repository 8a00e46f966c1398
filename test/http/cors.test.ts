import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

const origin = 'http://localhost:5173'

test('a page that this machine serves may call, read the run’s id and follow a stream', async () => {
  const { url, api } = await startServer()
  const { id } = await api.group(['ana'])
  const path = `${url}/v1/groups/${id}/messages/stream`
  const preflight = await fetch(path, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe(origin)
  const sent = await fetch(path, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ input: 'hi' }),
  })
  expect(sent.headers.get('access-control-allow-origin')).toBe(origin)
  expect(sent.headers.get('access-control-expose-headers')).toContain('x-letta-run-id')
  expect(await sent.text()).toContain('data: [DONE]')
})

test('with origins set, only their pages may', async () => {
  const listed = 'https://a-page.example'
  const { url } = await startServer({ ROUNDTABLE_CORS_ORIGINS: `${listed}/, http://another.example` })
  const allowed = async (from: string) =>
    (await fetch(`${url}/v1/groups/`, { headers: { origin: from } })).headers.get('access-control-allow-origin')
  expect(await allowed(listed)).toBe(listed)
  expect(await allowed('http://evil.example')).toBeNull()
  expect(await allowed(origin)).toBeNull()
})

test('with *, a page of any origin may follow a run', async () => {
  const { url, api } = await startServer({ ROUNDTABLE_CORS_ORIGINS: '*' })
  const { id } = await api.group(['ana'])
  const run = (await api.call('POST', `/v1/groups/${id}/messages`, { input: 'hi' })).headers.get('x-letta-run-id')
  const stream = await fetch(`${url}/v1/runs/${run}/stream`, { headers: { origin: 'http://a-page.example' } })
  expect(stream.headers.get('access-control-allow-origin')).toBe('*')
  expect(stream.headers.get('access-control-allow-credentials')).toBeNull()
  expect(await stream.text()).toContain('data: [DONE]')
})
