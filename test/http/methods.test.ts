import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

/** What comes back for these bytes, until the server closes or has answered. */
function rawly(url: string, sent: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let got = ''
    const socket = connect(Number(port), hostname, () => socket.write(sent))
    socket.setEncoding('latin1').on('data', (part: string) => (got += part))
    socket.on('close', () => resolve(got))
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(got) : reject(error)))
  })
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

const requestOf = (method: string, path: string, headers = '') =>
  `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}\r\n`

test('F77 HEAD, OPTIONS, TRACE and odd methods on every route: an answer each, nothing is done, nobody’s request is echoed', async () => {
  const { api, url } = await startServer()
  const group = await api.group(['Ann', 'Bob'])
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> }
  const ids: Record<string, string> = { group_id: group.id, agent_id: group.agent_ids[0]! }
  const addresses = Object.keys(paths).map((path) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'x'))
  const kept = async () => [await api.get('/v1/groups/'), await api.get('/v1/agents/'), await api.get('/v1/runs/')]
  const before = await kept()
  for (const path of [...addresses, '/', '/metrics', '/nowhere']) {
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
      const answer = await rawly(url, requestOf(method, path, 'x-canary: sing\r\n'))
      expect
        .soft([200, 204, 307, 308, 404, 405, 422, 503], `${method} ${path}: ${answer.slice(0, 200)}`)
        .toContain(statusOf(answer))
      expect.soft(answer, `${method} ${path}`).not.toContain('sing')
      if (method === 'HEAD') expect.soft(answer.slice(answer.indexOf('\r\n\r\n') + 4), path).toBe('')
    }
  }
  expect(await kept()).toEqual(before)
})

const many = (count: number) => Array.from({ length: count }, (_, n) => `x-${n}: ${n}\r\n`).join('')

test.each([
  ['16 KB in one header', requestOf('GET', '/v1/health/', `x-a: ${'a'.repeat(17_000)}\r\n`), 431],
  ['16 KB in many headers', requestOf('GET', '/v1/health/', many(1500)), 431],
  ['16 KB of address', requestOf('GET', `/v1/health/?${'a'.repeat(17_000)}`), 431],
  ['200 headers', requestOf('GET', '/v1/health/', many(200)), 200],
  ['a method that is none', requestOf('GRAB', '/v1/health/'), 400],
  ['a method in small letters', requestOf('get', '/v1/health/'), 400],
  ['no host', 'GET /v1/health/ HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
  ['a header without a name', requestOf('GET', '/v1/health/', ': x\r\n'), 400],
  ['a NUL in a header', requestOf('GET', '/v1/health/', 'x-a: \0\r\n'), 400],
  ['a header that is folded', requestOf('GET', '/v1/health/', 'x-a: 1\r\n 2\r\n'), 400],
  ['two lengths', requestOf('POST', '/v1/agents/', 'content-length: 2\r\ncontent-length: 3\r\n'), 400],
  ['a length and chunks', requestOf('POST', '/v1/agents/', 'content-length: 2\r\ntransfer-encoding: chunked\r\n'), 400],
  ['a length that is none', requestOf('POST', '/v1/agents/', 'content-length: NaN\r\n'), 400],
  ['a negative length', requestOf('POST', '/v1/agents/', 'content-length: -1\r\n'), 400],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
])('F77 %s', async (_, sent, status) => {
  const { api, url } = await startServer()
  expect(statusOf(await rawly(url, sent))).toBe(status)
  expect(await api.get('/v1/health/')).toMatchObject({ status: 'ok' })
})
