import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { createGzip } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { openReaders } from '../../src/stream/sse.ts'
import { eventually } from '../support/eventually.ts'
import { rawSocket } from '../support/raw-socket.ts'
import { begun, openReader } from '../support/reader.ts'
import { startServer } from '../support/server.ts'

test.each([
  ['reset', (socket: Socket) => void socket.resetAndDestroy()],
  ['closed', (socket: Socket) => void socket.destroy()],
  ['closed on the client’s side only', (socket: Socket) => void socket.end()],
])('F56 a reader whose connection is %s is free at once', async (_, leave) => {
  const server = await startServer()
  const { path, held } = await begun(server, server.llm)
  const socket = await rawSocket(server.url, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  await socket.says('id: 2')
  leave(socket.socket)
  await eventually(() => openReaders() === 1)
  held.finish()
})

test('F56 a client of HTTP/1.0 gets the stream without chunks, to the end of the connection', async () => {
  const server = await startServer()
  const { path, held, sender } = await begun(server, server.llm)
  const client = await rawSocket(server.url, `GET ${path} HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n`)
  await client.says('id: 2')
  held.finish()
  await client.closed
  await sender.ended
  const [head, body] = split(client.text())
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(head).not.toMatch(/transfer-encoding/i)
  expect(body.replace(/^retry: \d+\n\n/, '')).toBe(sender.seen.map(({ text }) => text).join(''))
})

test('the head leaves with the frames that are there, and the end of a response with its last ones', async () => {
  const server = await startServer()
  const { path, held } = await begun(server, server.llm)
  const writes = writesOfSockets()
  const client = await rawSocket(server.url, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  await client.says('id: 2')
  held.finish()
  await client.says('\r\n0\r\n\r\n')
  const sent = writes.filter(({ to }) => to === client.socket.localPort).map(({ text }) => text)
  expect(sent[0]).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n[^]*id: 1\n/)
  expect(sent.at(-1)).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\n$/)
})

/** What every socket of this process writes from now on, each time that the system is called. */
function writesOfSockets(): { to: number | undefined; text: string }[] {
  const writes: { to: number | undefined; text: string }[] = []
  const { _write, _writev } = Socket.prototype
  onTestFinished(() => void Object.assign(Socket.prototype, { _write, _writev }))
  Object.assign(Socket.prototype, {
    _write(this: Socket, chunk: unknown, ...rest: [BufferEncoding, () => void]) {
      writes.push({ to: this.remotePort, text: String(chunk) })
      return _write.call(this, chunk, ...rest)
    },
    _writev(this: Socket, chunks: { chunk: unknown; encoding: BufferEncoding }[], done: () => void) {
      writes.push({ to: this.remotePort, text: chunks.map(({ chunk }) => String(chunk)).join('') })
      return _writev!.call(this, chunks, done)
    },
  })
  return writes
}

test('F56 after a stream the same connection serves another request, also one that was sent ahead', async () => {
  const server = await startServer()
  const { path, held } = await begun(server, server.llm)
  const client = await rawSocket(server.url, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  client.socket.write('GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await client.says('id: 2')
  held.finish()
  await client.says('"status":"ok"')
  expect(client.text().indexOf('[DONE]')).toBeLessThan(client.text().indexOf('"status":"ok"'))
  client.socket.write('GET /v1/ready HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await client.says('{"status":"ok"}')
  await eventually(() => openReaders() === 0)
})

const json = 'host: 127.0.0.1\r\ncontent-type: application/json\r\n'
const body = '{"label":"a","value":"b"}'

test.each([
  ['a length that is no number', `${json}content-length: NaN\r\n\r\n${body}`, 400],
  ['a negative length', `${json}content-length: -1\r\n\r\n${body}`, 400],
  ['two lengths', `${json}content-length: 5\r\ncontent-length: 25\r\n\r\n${body}`, 400],
  ['a length and chunks', `${json}content-length: 25\r\ntransfer-encoding: chunked\r\n\r\n19\r\n${body}\r\n0\r\n\r\n`, 400],
  ['a chunk that is none', `${json}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`, 400],
  ['a body shorter than it should be', `${json}content-length: 10\r\n\r\n${body}`, 400],
  [
    'more chunks than are taken',
    `${json}transfer-encoding: chunked\r\n\r\n800001\r\n${'x'.repeat(0x800001)}\r\n0\r\n\r\n`,
    413,
  ],
  ['a body in chunks', `${json}transfer-encoding: chunked\r\n\r\n19\r\n${body}\r\n0\r\n\r\n`, 200],
])('F57 %s', async (_, rest, status) => {
  const server = await startServer()
  const client = await rawSocket(server.url, `POST /v1/blocks/ HTTP/1.1\r\n${rest}`)
  await client.says('\r\n\r\n')
  expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(await server.api.get('/v1/blocks/')).toHaveLength(status === 200 ? 1 : 0)
})

test('F57 a body that breaks off does nothing', async () => {
  const server = await startServer()
  const client = await rawSocket(server.url, `POST /v1/blocks/ HTTP/1.1\r\n${json}content-length: 1000\r\n\r\n${body}`)
  client.socket.resetAndDestroy()
  expect(await server.api.get('/v1/blocks/')).toEqual([])
})

test('F61 a proxy that keeps, packs and cuts what it may passes each frame on as it comes, also through silence', async () => {
  const server = await startServer({ LETTA_KEEPALIVE_INTERVAL: '0.1' })
  const { path, held, sender } = await begun(server, server.llm)
  const proxy = await meddlingProxy(server.url, 1000)
  const reader = await openReader(proxy + path, { headers: { 'accept-encoding': 'gzip' } })
  expect(reader.headers['content-encoding']).toBeUndefined()
  await reader.until((seen) => seen.length >= 2)
  // Twice as long as the proxy lets a connection be silent.
  await reader.until((seen) => seen.filter(({ id }) => id === undefined).length >= 20)
  held.push('goodbye')
  await reader.until((seen) => seen.at(-1)!.text.includes('goodbye'))
  held.finish()
  expect(await reader.ended).toBe('end')
  await sender.ended
  expect(reader.seen.filter(({ id }) => id !== undefined)).toEqual(sender.seen.filter(({ id }) => id !== undefined))
})

const split = (answer: string) => {
  const end = answer.indexOf('\r\n\r\n')
  return [answer.slice(0, end), answer.slice(end + 4)] as const
}

/**
 * As proxies are: it keeps an answer until it is whole, unless it is told not to (`x-accel-buffering`); packs it, unless it is
 * told not to (`no-transform`); and cuts a connection that is silent for too long.
 */
async function meddlingProxy(target: string, silenceMs: number): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const onward = request(target + incoming.url, { method: incoming.method, headers: incoming.headers })
    onward.on('response', (answer: IncomingMessage) => {
      const packs = !/no-transform/.test(answer.headers['cache-control'] ?? '')
      const keeps = answer.headers['x-accel-buffering'] !== 'no'
      outgoing.writeHead(answer.statusCode!, { ...answer.headers, ...(packs && { 'content-encoding': 'gzip' }) })
      outgoing.flushHeaders()
      const out = packs ? createGzip() : outgoing
      if (packs) (out as ReturnType<typeof createGzip>).pipe(outgoing)
      const kept: Buffer[] = []
      answer.on('data', (chunk: Buffer) => void (keeps ? kept.push(chunk) : out.write(chunk)))
      answer.once('end', () => out.end(Buffer.concat(kept)))
      answer.setTimeout(silenceMs, () => outgoing.destroy())
    })
    outgoing.once('close', () => onward.destroy())
    onward.on('error', () => outgoing.destroy())
    onward.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
