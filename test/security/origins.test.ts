import { type IncomingHttpHeaders, request } from 'node:http'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import { startLocked } from './locked.ts'

/** As it is: fetch sets Host and Origin by itself. */
function raw(url: string, method: string, headers: Record<string, string>) {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
    request(url, { method, headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text }))
    })
      .on('error', reject)
      .end()
  })
}

const evil = 'https://evil.example'

test.each([
  ['127.0.0.1:8283', 200],
  ['localhost', 200],
  ['LOCALHOST:8283', 200],
  ['my-app.localhost:1', 200],
  ['[::1]:8283', 200],
  ['inside.example', 200],
  ['evil.example:8283', 403],
  ['evil.example', 403],
  ['127.0.0.1.evil.example', 403],
  ['localhost.evil.example', 403],
  ['127.evil.example', 403],
  ['192.168.1.5', 403],
])('F87 a page that calls itself %s gets %i: no name of its own leads here', async (host, status) => {
  const { url } = await startServer({ ROUNDTABLE_ALLOWED_HOSTS: 'inside.example' })
  const answer = await raw(`${url}/v1/groups/`, 'GET', { host })
  expect(answer.status).toBe(status)
  if (status === 403) expect(answer.text).toContain('ROUNDTABLE_ALLOWED_HOSTS')
})

test.each([
  // Browsers say which page sends; nothing else does.
  [undefined, 'loopback', 200],
  ['http://localhost:5173', 'loopback', 200],
  ['http://127.0.0.1:1', 'loopback', 200],
  [evil, 'loopback', 403],
  ['null', 'loopback', 403],
  ['http://localhost.evil.example', 'loopback', 403],
  ['file://', 'loopback', 403],
  [evil, evil, 200],
  [`${evil}.x`, evil, 403],
  ['http://evil.example', evil, 403],
  // Any page may read; to send it must be named.
  [evil, '*', 403],
  ['null', '*', 403],
  ['http://localhost:5173', '*, loopback', 200],
])('F87 a page of %s sends without a key where %s may: %i', async (origin, origins, status) => {
  const { url, api } = await startServer({ ROUNDTABLE_CORS_ORIGINS: origins })
  const { id } = await api.group(['ana'])
  const headers: Record<string, string> = origin === undefined ? {} : { origin }
  expect((await raw(`${url}/v1/groups/${id}/reset-messages`, 'PATCH', headers)).status).toBe(status)
  expect((await raw(`${url}/v1/groups/${id}`, 'DELETE', headers)).status).toBe(status)
  expect((await api.call('GET', `/v1/groups/${id}`)).status).toBe(status === 200 ? 404 : 200)
})

test('F87 the page that this server itself serves may send, under each of its names', async () => {
  const { url } = await startServer({
    ROUNDTABLE_ALLOWED_HOSTS: 'inside.example',
    ROUNDTABLE_CORS_ORIGINS: 'https://a.example',
  })
  const send = async (host: string, origin: string) =>
    (await raw(`${url}/v1/tools/add-base-tools`, 'POST', { host, origin })).status
  expect(await send('inside.example', 'https://inside.example')).toBe(200)
  expect(await send('127.0.0.1:8283', 'http://127.0.0.1:8283')).toBe(200)
  expect(await send('127.0.0.1:8283', 'http://127.0.0.1:9999')).toBe(403)
})

test('F87 a page that has a key may send from anywhere; one that has none is not let in', async () => {
  const { url, ana } = await startLocked()
  const send = async (headers: Record<string, string>) =>
    (await raw(`${url}/v1/tools/add-base-tools`, 'POST', { origin: evil, host: 'any.example', ...headers })).status
  expect(await send({ authorization: `Bearer ${ana.keys.write}` })).toBe(200)
  expect(await send({})).toBe(401)
})

test.each(['loopback', '*', evil])('F87 with %s no answer lets a page use somebody’s credentials', async (origins) => {
  const { url } = await startServer({ ROUNDTABLE_CORS_ORIGINS: origins })
  for (const origin of [evil, 'http://localhost:1', 'null']) {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await raw(`${url}/v1/groups/`, method, { origin, 'access-control-request-method': 'POST' })
      expect(headers['access-control-allow-credentials']).toBeUndefined()
      const allowed =
        origins === '*'
          ? '*'
          : (origins === 'loopback') === (origin === 'http://localhost:1') && origin !== 'null'
            ? origin
            : undefined
      expect([origins, origin, headers['access-control-allow-origin']]).toEqual([origins, origin, allowed])
    }
  }
})

test('every answer tells a browser to do nothing with it that was not meant', async () => {
  const { url, api } = await startServer()
  const { id } = await api.group(['ana'])
  const sent = await api.call('POST', `/v1/groups/${id}/messages`, { input: 'hi' })
  const run = sent.headers.get('x-letta-run-id')
  for (const path of ['/v1/health/', '/v1/groups/', '/v1/nowhere', `/v1/runs/${run}/stream`, '/v1/groups/none']) {
    const { headers } = await raw(url + path, 'GET', {})
    expect([path, headers]).toMatchObject([
      path,
      {
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      },
    ])
    expect(headers).not.toHaveProperty('x-powered-by')
    expect(headers).not.toHaveProperty('server')
  }
})
