import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Stream as LettaStream } from '@letta-ai/letta-client/core/streaming'
import { getBytes, getLines, getMessages } from '@microsoft/fetch-event-source/lib/cjs/parse.js'
import { Stream as OpenAiStream } from 'openai/core/streaming'
import { expect, onTestFinished, test } from 'vitest'
import { openReaders } from '../../src/stream/sse.ts'
import type { Run } from '../../src/wire/run.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/log.ts'
import { probe, probed } from '../support/probe.ts'
import { startProcess } from '../support/process.ts'
import { tcpProxy } from '../support/proxy.ts'
import { begun, openReader, type Reader, readToEnd, type Seen } from '../support/reader.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { startServer, tempFolder } from '../support/server.ts'

test('F52 a reader that takes nothing is cut, sees the rest when it comes back, and disturbs nobody', async () => {
  const server = await startServer({ ROUNDTABLE_READER_STALL_SECONDS: '0.3' })
  const { held, sender, path } = await begun(server, server.llm)
  const slow = await openReader(`${server.url}${path}`)
  await slow.until((seen) => seen.length >= 2)
  slow.pause()
  // More than the buffers of the kernel take.
  for (let n = 0; n < 100; n++) {
    held.push('x'.repeat(100_000))
    await sender.until((seen) => seen.length >= n + 3)
  }
  await eventually(() => openReaders() === 1)
  expect(await server.api.get<Run>(path.replace('/stream', ''))).toMatchObject({ status: 'running' })
  slow.resume()
  expect(await slow.ended).toBe('cut')
  held.finish()
  const rest = await readToEnd(`${server.url}${path}`, { headers: { 'last-event-id': String(slow.seen.at(-1)!.id) } })
  await sender.ended
  expect([...slow.seen, ...rest.seen]).toEqual(sender.seen)
  expect(rest.seen.length).toBeGreaterThan(10)
})

test('F53 of 500 readers that take nothing each holds less than 64 KB; who reads, and the run, do not notice', async () => {
  const { server, llm } = await process({ ...probed, ROUNDTABLE_READER_STALL_SECONDS: '1000' })
  const { held, sender, path } = await begun(server, llm)
  // Everything that is needed once is there.
  const fast = await openReader(`${server.url}${path}`)
  const slow = range(1, 500).map(() => deafSocket(server.url, path))
  await eventually(async () => (await readersOf(server)) === 502)
  const before = await probe(server)
  const word = 'x'.repeat(4000)
  for (let n = 0; n < 1200; n++) {
    held.push(word)
    if (n % 50 === 0) await sender.until((seen) => seen.length >= n)
  }
  await Promise.all([sender, fast].map(({ until }) => until((seen) => seen.length >= 1202)))
  expect(await readersOf(server)).toBe(502)
  const after = await probe(server)
  const each = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / slow.length
  console.info(`a reader that takes nothing holds ${Math.round(each / 1024)} KB; RSS ${mb(before.rss)} → ${mb(after.rss)} MB`)
  expect(each).toBeLessThan(64 * 1024)
  held.finish()
  await Promise.all([sender, fast].map(({ ended }) => ended))
  expect(fast.seen).toEqual(sender.seen)
  expectWhole(sender.seen)
  for (const socket of slow) socket.destroy()
  await eventually(async () => (await readersOf(server)) === 0)
}, 180_000)

test('F55 1000 readers that are cut off at once and come back at once all see the rest', async () => {
  const { server, llm } = await process({})
  const { held, sender, path } = await begun(server, llm)
  const proxy = await tcpProxy(server.url)
  for (const n of range(1, 50)) held.push(`word${n} `)
  await sender.until((seen) => seen.length >= 52)
  const first = await Promise.all(range(1, 1000).map(() => openReader(`${proxy.url}${path}`)))
  await Promise.all(first.map(({ until }) => until((seen) => seen.length >= 52)))
  // Each is told another moment to come back at, and here all come at once in spite of it.
  const retries = first.map((reader) => reader.retries[0]!)
  expect(Math.min(...retries)).toBeGreaterThanOrEqual(1000)
  expect(new Set(retries).size).toBeGreaterThan(500)
  proxy.cut()
  expect(new Set(await Promise.all(first.map(({ ended }) => ended)))).toEqual(new Set(['cut']))
  const begin = performance.now()
  const back = await Promise.all(
    first.map(({ seen }) => openReader(`${proxy.url}${path}`, { headers: { 'last-event-id': String(seen.at(-1)!.id) } })),
  )
  for (const n of range(51, 100)) held.push(`word${n} `)
  held.finish()
  await Promise.all(back.map(({ ended }) => ended))
  console.info(`1000 readers were back and at the end after ${Math.round(performance.now() - begin)} ms`)
  await sender.ended
  expectWhole(sender.seen)
  const whole = textOf(sender.seen)
  for (const [n, { seen }] of first.entries()) expect(textOf([...seen, ...back[n]!.seen])).toBe(whole)
}, 180_000)

test('F55 whatever a client parses streams with, the line about coming back is no event to it', async () => {
  const server = await startServer()
  const { held, sender, path } = await begun(server, server.llm)
  held.finish()
  await sender.ended
  const expected = sender.seen.map(({ text }) => /^data: (.*)$/m.exec(text)![1]!).filter((data) => data !== '[DONE]')
  const answer = async () => await fetch(`${server.url}${path}`)
  const items = async (stream: AsyncIterable<unknown>) => {
    const found: string[] = []
    for await (const item of stream) found.push(JSON.stringify(item))
    return found
  }
  expect(await items(LettaStream.fromSSEResponse(await answer(), new AbortController()))).toEqual(expected)
  expect(await items(OpenAiStream.fromSSEResponse(await answer(), new AbortController()))).toEqual(expected)
  const found: string[] = []
  const retries: number[] = []
  await getBytes(
    (await answer()).body!,
    getLines(
      getMessages(
        () => {},
        (ms: number) => void retries.push(ms),
        ({ data }: { data: string }) => void (data !== '' && data !== '[DONE]' && found.push(data)),
      ),
    ),
  )
  expect(found).toEqual(expected)
  expect(retries).toEqual([expect.any(Number)])
})

test('F59 a reader that comes before the first word waits with pings, and one that comes after the end sees it all', async () => {
  const server = await startServer({ LETTA_KEEPALIVE_INTERVAL: '0.05' })
  const { api, llm, url } = server
  const { id } = await api.group(['ana'])
  const held = llm.hold()
  const sender = await openReader(`${url}/v1/groups/${id}/messages/stream`, { method: 'POST', body: { input: 'Hi' } })
  const path = `/v1/runs/${String(sender.headers['x-letta-run-id'])}/stream`
  const early = await openReader(`${url}${path}`)
  await early.until((seen) => seen.filter((frame) => frame.id === undefined).length >= 3)
  held.push('Hello')
  held.finish()
  await Promise.all([early.ended, sender.ended])
  const late = await readToEnd(`${url}${path}`)
  expect(stored(early)).toEqual(stored(sender))
  expect(late.seen).toEqual(stored(sender))
})

test('F60 readers that leave out different things see the same numbers, and resume from any of them', async () => {
  const server = await startServer()
  const { held, sender, path } = await begun(server, server.llm)
  const url = `${server.url}${path}`
  const quiet = await openReader(`${url}?include_pings=false`)
  const posted = await openReader(url, { method: 'POST', body: { include_pings: false } })
  for (const n of range(1, 20)) held.push(`word${n} `)
  held.finish()
  await Promise.all([sender, quiet, posted].map(({ ended }) => ended))
  const shown = sender.seen.filter(({ text }) => !text.includes('"message_type":"ping"'))
  expect(quiet.seen).toEqual(shown)
  expect(posted.seen).toEqual(shown)
  for (const { id } of shown.slice(0, -1)) {
    const rest = await readToEnd(`${url}?include_pings=false&starting_after=${id}`)
    expect(rest.seen).toEqual(shown.filter((frame) => frame.id! > id!))
  }
})

async function process(settings: Record<string, string>) {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const server = await startProcess({
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ...settings,
  })
  return { llm, server }
}

/** Asks for a stream, and never reads. */
function deafSocket(url: string, path: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).pause()
  void once(socket, 'connect').then(() => socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`))
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  return socket
}

async function readersOf({ url }: { url: string }): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^roundtable_readers (\d+)$/m.exec(text)![1])
}

const stored = ({ seen }: Reader) => seen.filter(({ id }) => id !== undefined)
const textOf = (seen: readonly Seen[]) => seen.map(({ text }) => text).join('')
const mb = (bytes: number) => Math.round(bytes / 1024 / 1024)

function expectWhole(seen: readonly Seen[]) {
  expect(seen.map(({ id }) => id)).toEqual(range(1, seen.length))
  expect(seen.at(-1)!.text).toContain('data: [DONE]')
}
