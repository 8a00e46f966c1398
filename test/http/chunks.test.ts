import { expect, test } from 'vitest'
import { openReaders } from '../../src/stream/sse.ts'
import { eventually } from '../support/eventually.ts'
import { answersIn, type RawAnswer, rawSocket } from '../support/raw-socket.ts'
import { begun, type Reader } from '../support/reader.ts'
import { startServer } from '../support/server.ts'

/** Characters of one to four bytes in UTF-8, one of several code points, and what is escaped in JSON. */
const words = ['plain ', 'é', '€ ', '😀', '👩‍👩‍👧 ', '漢字', '\u2028', '"\\\n', 'ﷺ ']
/** Short and long ones: those that are written as they are, and those that are encoded first. */
const pieces = [...words, '😀'.repeat(100), ...words, '€'.repeat(5000), ...words, `x${'é'.repeat(4100)}`, ...words]

const get = (path: string, version = '1.1') => `GET ${path} HTTP/${version}\r\nhost: 127.0.0.1\r\n\r\n`

test('a stream is chunks of whole characters to the last one, and then the connection serves another request', async () => {
  const server = await startServer()
  const { path, held, sender } = await begun(server, server.llm)
  const client = await rawSocket(server.url, get(path))
  for (const piece of pieces) {
    const before = sender.seen.length
    held.push(piece)
    await sender.until((seen) => seen.length > before)
  }
  held.finish()
  await sender.ended
  await eventually(() => answersIn(client.bytes())[0]?.whole ?? false)
  client.socket.write(get('/v1/health'))
  await client.says('"status":"ok"')
  const [stream, health, ...more] = answersIn(client.bytes())
  expect(more).toEqual([])
  expect(streamed(stream!)).toBe(textOf(sender))
  expect(stream!.chunks.length).toBeGreaterThan(pieces.length)
  expect(JSON.parse(bodyOf(health!))).toMatchObject({ status: 'ok' })
  for (const piece of pieces) expect(textOf(sender)).toContain(JSON.stringify(piece).slice(1, -1))
})

test('HTTP/1.0 gets the same bytes without chunks, to the end of the connection', async () => {
  const server = await startServer()
  const { path, held, sender } = await begun(server, server.llm)
  const client = await rawSocket(server.url, get(path, '1.0'))
  await client.says('id: 2')
  for (const piece of pieces) held.push(piece)
  held.finish()
  await Promise.all([client.closed, sender.ended])
  const [head, body] = client.text().split(/\r\n\r\n(.*)/s)
  expect(head).not.toMatch(/transfer-encoding|content-length/i)
  expect(body!.replace(/^retry: \d+\n\n/, '')).toBe(textOf(sender))
})

test('requests that are sent at once on one connection are answered in order, each whole', async () => {
  const server = await startServer()
  const { path, held, sender } = await begun(server, server.llm)
  const rest = `${path}?starting_after=1`
  const client = await rawSocket(server.url, get(path) + get('/v1/health') + get(rest) + get(path) + get('/v1/health'))
  await client.says('id: 2')
  for (const piece of pieces) held.push(piece)
  held.finish()
  await sender.ended
  await eventually(() => answersIn(client.bytes()).filter(({ whole }) => whole).length === 5)
  const [first, second, third, fourth, fifth, ...more] = answersIn(client.bytes())
  expect(more).toEqual([])
  expect(streamed(first!)).toBe(textOf(sender))
  expect(streamed(third!)).toBe(textOf(sender, 1))
  expect(streamed(fourth!)).toBe(textOf(sender))
  for (const health of [second, fifth]) expect(JSON.parse(bodyOf(health!))).toMatchObject({ status: 'ok' })
  await eventually(() => openReaders() === 0)
})

test('two streams that were asked for at once both live: the second is there when the first has ended', async () => {
  const server = await startServer()
  const [one, two] = [await begun(server, server.llm), await begun(server, server.llm)]
  const client = await rawSocket(server.url, get(one.path) + get(two.path))
  await client.says('id: 2')
  for (const piece of pieces) two.held.push(piece)
  await two.sender.until((seen) => seen.length >= pieces.length)
  one.held.push('goodbye')
  one.held.finish()
  await one.sender.ended
  await eventually(() => answersIn(client.bytes()).length === 2)
  two.held.push('farewell')
  two.held.finish()
  await two.sender.ended
  await eventually(() => answersIn(client.bytes())[1]!.whole)
  const [first, second, ...more] = answersIn(client.bytes())
  expect(more).toEqual([])
  expect(streamed(first!)).toBe(textOf(one.sender))
  expect(streamed(second!)).toBe(textOf(two.sender))
})

test('a reader that takes nothing for a while gets it all in whole chunks when it reads on', async () => {
  const server = await startServer()
  const { path, held, sender } = await begun(server, server.llm)
  const client = await rawSocket(server.url, get(path))
  await client.says('id: 2')
  client.socket.pause()
  // More than what any socket keeps, in pieces that are written as they are.
  const piece = '😀 né '.repeat(200)
  for (let n = 0; n < 6000; n++) held.push(`${n} ${piece}`)
  held.finish()
  await sender.ended
  client.socket.resume()
  await eventually(() => answersIn(client.bytes())[0]!.whole)
  expect(streamed(answersIn(client.bytes())[0]!)).toBe(textOf(sender))
}, 120_000)

const bodyOf = ({ chunks }: RawAnswer) => Buffer.concat(chunks).toString('utf8')

/** What a stream says, when each of its chunks is whole characters. */
function streamed({ chunks }: RawAnswer): string {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const text = chunks.map((chunk) => decoder.decode(chunk)).join('')
  return text.replace(/^retry: \d+\n\n/, '')
}

const textOf = ({ seen }: Reader, after = 0) =>
  seen
    .slice(after)
    .map(({ text }) => text)
    .join('')
