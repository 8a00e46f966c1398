import { EventSource } from 'eventsource'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { splitFrames } from '../../src/stream/frame.ts'
import { openReader, readToEnd } from '../support/reader.ts'
import { startServer, type TestServer } from '../support/server.ts'

const words = Array.from({ length: 12 }, (_, n) => `id: ${n}-ü`).join(' ')

/** A group that has had some runs, and what its feed must be: their frames but for `[DONE]`, under the feed's own ids. */
async function groupWithRuns(server: TestServer, runs: number) {
  const { api, llm } = server
  llm.script(() => ({ text: words }))
  const { id } = await api.group(['ana', 'ben'])
  const streams: string[] = []
  for (let run = 0; run < runs; run++) {
    streams.push(await (await api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk', stream_tokens: true })).text())
  }
  return { id, expected: streams.flatMap((stream, index) => feedOf(stream, index + 1)) }
}

const feedOf = (stream: string, run: number): string[] =>
  splitFrames(stream)
    .filter((frame) => !frame.endsWith('data: [DONE]\n\n'))
    .map((frame) => frame.replace(/^id: /, `id: ${run}.`))

const idOf = (frame: string) => /^id: (\S+)\n/.exec(frame)![1]!

/** Opens the feed and reads until it has said all of `expected`. */
async function read({ url }: TestServer, id: string, count: number, headers: Record<string, string> = {}, query = '') {
  const reader = await openReader(`${url}/v1/groups/${id}/stream${query}`, { headers })
  expect(reader.status).toBe(200)
  await reader.until((seen) => seen.length >= count)
  reader.close()
  return reader.seen.map(({ text }) => text)
}

test('any cursor of a feed resumes exactly: the rest of that run, then all later ones', async () => {
  const server = await startServer()
  const { id, expected } = await groupWithRuns(server, 4)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: expected.length - 2 }), fc.boolean(), async (at, byHeader) => {
      const cursor = idOf(expected[at]!)
      const rest = expected.slice(at + 1)
      const headers: Record<string, string> = byHeader ? { 'last-event-id': cursor } : {}
      expect(await read(server, id, rest.length, headers, byHeader ? '' : `?starting_after=${cursor}`)).toEqual(rest)
    }),
    { numRuns: 60 },
  )
})

test('a watcher that is cut off anywhere while runs come and go has seen every frame once in the end', async () => {
  const server = await startServer()
  const { api, url } = server
  const { id, expected: first } = await groupWithRuns(server, 1)
  const runs = 3
  const total = first.length * runs
  const expected = [...first]
  const seen: string[] = []
  let cursor = '0.0'
  let leaveAfter = 1
  const watching = (async () => {
    while (seen.length < total) {
      const left = Math.min(leaveAfter++, total - seen.length)
      const frames = (await read(server, id, left, {}, `?starting_after=${cursor}`)).slice(0, left)
      seen.push(...frames)
      cursor = idOf(frames.at(-1)!)
    }
  })()
  for (let run = 2; run <= runs; run++) {
    const stream = await fetch(`${url}/v1/groups/${id}/messages/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input: 'talk', stream_tokens: true }),
    })
    expected.push(...feedOf(await stream.text(), run))
  }
  await watching
  expect(seen).toEqual(expected)
  expect((await api.get<unknown[]>(`/v1/runs/?group_id=${id}`)).length).toBe(runs)
})

test('without a cursor it begins at the start of the run that works now', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await groupWithRuns(server, 1)
  const held = llm.hold()
  const sent = await api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk', stream_tokens: true })
  held.push('half ')
  const watcher = await openReader(`${server.url}/v1/groups/${id}/stream`)
  await watcher.until((seen) => seen.some(({ text }) => text.includes('half ')))
  held.finish()
  const expected = feedOf(await sent.text(), 2)
  await watcher.until((seen) => seen.length === expected.length + 1)
  expect(watcher.seen.map(({ text }) => text)).toEqual(['id: 2.0\n\n', ...expected])
})

test('without a cursor and a run it begins at the next run, and tells a cursor at once', async () => {
  const server = await startServer()
  const { api, url } = server
  const { id, expected: before } = await groupWithRuns(server, 1)
  const fresh = await api.group(['cleo'])
  for (const [group, mark, run] of [
    [id, `1.${before.length + 1}`, 2],
    [fresh.id, '0.0', 3],
  ] as const) {
    const watcher = await openReader(`${url}/v1/groups/${group}/stream`)
    await watcher.until((seen) => seen.length === 1)
    expect(watcher.seen[0]!.text).toBe(`id: ${mark}\n\n`)
    const sent = await api.stream(`/v1/groups/${group}/messages/stream`, { input: 'talk', stream_tokens: true })
    const expected = feedOf(await sent.text(), run)
    await watcher.until((seen) => seen.length === expected.length + 1)
    expect(watcher.seen.slice(1).map(({ text }) => text)).toEqual(expected)
    // With the cursor that it was told first it would have missed nothing.
    expect(await read(server, group, expected.length, { 'last-event-id': mark })).toEqual(expected)
  }
})

test('other groups, and agents alone, are not part of it', async () => {
  const server = await startServer()
  const { api } = server
  const { id, expected } = await groupWithRuns(server, 1)
  const other = await api.group(['cleo'])
  const alone = await api.agent({ name: 'dan' })
  await api.post(`/v1/groups/${other.id}/messages`, { input: 'talk' })
  await api.post(`/v1/agents/${alone.id}/messages`, { input: 'talk' })
  const again = await api.stream(`/v1/groups/${id}/messages/stream`, { input: 'again', stream_tokens: true })
  const all = [...expected, ...feedOf(await again.text(), 4)]
  expect(await read(server, id, all.length, { 'last-event-id': '0.0' })).toEqual(all)
})

test('a cursor that is malformed, ahead, or another group’s is refused before a head is sent', async () => {
  const server = await startServer()
  const { id, expected } = await groupWithRuns(server, 1)
  const other = await server.api.group(['cleo'])
  await server.api.post(`/v1/groups/${other.id}/messages`, { input: 'talk' })
  const status = async (cursor: string, group = id) => {
    const byQuery = await fetch(`${server.url}/v1/groups/${group}/stream?starting_after=${encodeURIComponent(cursor)}`)
    const byHeader = await fetch(`${server.url}/v1/groups/${group}/stream`, { headers: { 'last-event-id': cursor } })
    expect(byHeader.status).toBe(byQuery.status)
    return byQuery.status
  }
  for (const cursor of [
    '1',
    '1.',
    '.1',
    '1.01',
    '01.1',
    '0.1',
    '-1.2',
    '1.2.3',
    '1e3.1',
    'abc',
    '1.-1',
    '1. 2',
    `1.${'9'.repeat(16)}`,
  ]) {
    expect(await status(cursor), cursor).toBe(400)
  }
  expect(await status(`1.${expected.length + 2}`)).toBe(400)
  expect(await status('2.1')).toBe(404)
  expect(await status('3.1')).toBe(404)
  expect(await status('1.1', other.id)).toBe(404)
  expect(await status('1.1', 'group-00000000-0000-4000-8000-000000000000')).toBe(404)
})

test('header and query together: the one that is ahead counts', async () => {
  const server = await startServer()
  const { id, expected } = await groupWithRuns(server, 2)
  const at = expected.findIndex((frame) => frame.startsWith('id: 2.3\n'))
  const rest = expected.slice(at + 1)
  expect(await read(server, id, rest.length, { 'last-event-id': '1.9' }, '?starting_after=2.3')).toEqual(rest)
  expect(await read(server, id, rest.length, { 'last-event-id': '2.3' }, '?starting_after=1.9')).toEqual(rest)
})

test('silence is broken by pings that move no cursor, or by comments; `include_pings=false` leaves stored ones out, too', async () => {
  const server = await startServer({ LETTA_KEEPALIVE_INTERVAL: '0.05' })
  const { id, expected } = await groupWithRuns(server, 1)
  const pings = await openReader(`${server.url}/v1/groups/${id}/stream`)
  await pings.until((seen) => seen.length === 3)
  const [, ping] = pings.seen
  expect(ping!.text).not.toMatch(/^id:/)
  expect(JSON.parse(ping!.text.slice(6))).toMatchObject({ message_type: 'ping', run_id: null, seq_id: null })
  const quiet = await read(server, id, expected.length, {}, '?starting_after=0.0&include_pings=false')
  expect(quiet.filter((frame) => frame !== ': keep-alive\n\n')).toEqual(expected.slice(1))
})

test('an EventSource that the server’s end cuts off is told to come back', async () => {
  const server = await startServer()
  const { id } = await groupWithRuns(server, 1)
  const watcher = readToEnd(`${server.url}/v1/groups/${id}/stream`)
  const first = await openReader(`${server.url}/v1/groups/${id}/stream`)
  await first.until((seen) => seen.length === 1)
  first.close()
  await server.close()
  expect((await watcher).retries.length).toBe(2) // at its start, and when it is told to come back
})

test('an EventSource follows a group over several runs by one connection', async () => {
  const server = await startServer()
  const { api, llm } = server
  llm.script(() => ({ text: 'Hello you.' }))
  const { id } = await api.group(['ana', 'ben'])
  const source = new EventSource(`${server.url}/v1/groups/${id}/stream`)
  onTestFinished(() => source.close())
  const stops: string[] = []
  const said = new Set<string>()
  const three = new Promise<void>((resolve) => {
    source.onmessage = ({ data, lastEventId }) => {
      const message = JSON.parse(data)
      if (message.message_type === 'assistant_message') said.add(`${lastEventId.split('.')[0]}: ${message.name}`)
      if (message.message_type === 'stop_reason' && stops.push(lastEventId) === 3) resolve()
    }
  })
  await new Promise<void>((resolve) => {
    source.onopen = () => resolve()
  })
  for (let run = 0; run < 3; run++) await api.post(`/v1/groups/${id}/messages`, { input: 'talk' })
  await three
  expect([...said]).toEqual(['1: ana', '1: ben', '2: ana', '2: ben', '3: ana', '3: ben'])
})
