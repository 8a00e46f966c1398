import { chmodSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { captureLogs } from '../support/logs.ts'
import { startProcess } from '../support/process.ts'
import { openReader, type Reader } from '../support/reader.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { startServer, tempFolder } from '../support/server.ts'

/** Says `text` and no more; resolves with what it was answered when the other side closes. */
function sayOnly(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(text))
    onTestFinished(() => void socket.destroy())
    socket.setEncoding('latin1').on('data', (part: string) => (answer += part))
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

const slow = { ROUNDTABLE_HEAD_SECONDS: '0.3', ROUNDTABLE_REQUEST_SECONDS: '0.6' }

test.each([
  ['nothing', ''],
  ['half a line', 'GET /v1/gro'],
  ['half a head', 'GET /v1/groups/ HTTP/1.1\r\nHost: localhost\r\nX-More: '],
  [
    'half a body',
    'POST /v1/blocks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"label"',
  ],
  [
    'half a chunk',
    'POST /v1/blocks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"label"',
  ],
])('F96 who says %s and no more is cut off, while others are served', async (_, said) => {
  const { lines } = captureLogs()
  const { api, url } = await startServer(slow)
  const cut = Array.from({ length: 50 }, () => sayOnly(url, said))
  const waiting = new Set(cut)
  for (const one of cut) void one.then(() => waiting.delete(one))
  while (waiting.size > 0) expect(await api.get('/v1/blocks/')).toEqual([])
  for (const answer of await Promise.all(cut)) expect(answer).toMatch(said === '' ? /^(HTTP\/1\.1 408 |$)/ : /^HTTP\/1\.1 408 /)
  expect(await api.get('/v1/blocks/')).toEqual([])
  expect(lines.filter(({ level }) => level === 'error')).toEqual([])
})

test('F96 a head that is too large is refused', async () => {
  const { url } = await startServer({ ROUNDTABLE_HEAD_LIMIT_BYTES: '2000' })
  const head = (bytes: number) =>
    `GET /v1/groups/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-More: ${'x'.repeat(bytes)}\r\n\r\n`
  expect(await sayOnly(url, head(1500))).toMatch(/^HTTP\/1\.1 200 /)
  expect(await sayOnly(url, head(2500))).toMatch(/^HTTP\/1\.1 431 /)
})

test('F94 with few files to open, connections that are too many get a 503 or are closed; runs, readers and the server go on', async () => {
  const node = join(tempFolder(), 'node')
  writeFileSync(node, `#!/bin/sh\nulimit -n 256\nexec "${process.execPath}" "$@"\n`)
  chmodSync(node, 0o755)
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = { DATABASE_URL: `file:${join(tempFolder(), 'few.db')}`, OPENAI_BASE_URL: llm.url, OPENAI_API_KEY: 'sk-x' }
  const server = await startProcess({ ...settings, ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini' }, { node })
  const { url, api } = server
  const group = await api.group(['ana'])
  const held = llm.hold()
  const body = { input: 'hi', stream_tokens: true }
  const first = await openReader(`${url}/v1/groups/${group.id}/messages/stream`, { method: 'POST', body })

  const opened: PromiseSettledResult<Reader>[] = []
  for (let round = 0; round < 20; round++) {
    const some = Array.from({ length: 20 }, () => openReader(`${url}/v1/groups/${group.id}/stream`))
    opened.push(...(await Promise.allSettled(some)))
  }
  const got = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const reading = got.filter(({ status }) => status === 200)
  const refused = got.filter(({ status }) => status === 503)
  expect(reading.length).toBeGreaterThan(50)
  expect(refused.length).toBeGreaterThan(0)
  expect(got.length).toBe(reading.length + refused.length)
  expect(refused[0]!.headers).toMatchObject({ 'retry-after': '1', connection: 'close' })

  // The store and the model still have what they need.
  held.push('Still here.')
  held.finish()
  await first.ended
  expect(first.seen.map(({ text }) => text).join('')).toContain('[DONE]')
  await Promise.all(reading.map((reader) => reader.until((seen) => seen.some(({ text }) => text.includes('stop_reason')))))

  for (const reader of got) reader.close()
  await expect
    .poll(async () => (await fetch(`${url}/v1/health/`).catch(() => undefined))?.status, { timeout: 30_000 })
    .toBe(200)
  expect(await api.post(`/v1/groups/${group.id}/messages`, { input: 'again' })).toMatchObject({
    stop_reason: { stop_reason: 'end_turn' },
  })
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})
