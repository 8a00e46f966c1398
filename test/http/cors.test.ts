import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

const origin = 'http://a-page.example'

test('a page of any origin may call, read the run’s id and follow a stream', async () => {
  const { url, api } = await startServer()
  const { id } = await api.group(['ana'])
  const path = `${url}/v1/groups/${id}/messages/stream`
  const preflight = await fetch(path, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
  const sent = await fetch(path, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ input: 'hi' }),
  })
  expect(sent.headers.get('access-control-allow-origin')).toBe('*')
  expect(sent.headers.get('access-control-expose-headers')).toContain('x-letta-run-id')
  expect(await sent.text()).toContain('data: [DONE]')
})

test('with origins set, only their pages may', async () => {
  const { url } = await startServer({ ROUNDTABLE_CORS_ORIGINS: `${origin}, http://another.example` })
  const allowed = async (from: string) =>
    (await fetch(`${url}/v1/groups/`, { headers: { origin: from } })).headers.get('access-control-allow-origin')
  expect(await allowed(origin)).toBe(origin)
  expect(await allowed('http://evil.example')).toBeNull()
})
