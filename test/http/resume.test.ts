import { EventSource } from 'eventsource'
import { expect, test } from 'vitest'
import { splitFrames } from '../../src/stream/frame.ts'
import type { Run } from '../../src/wire/run.ts'
import { idsOf, range } from '../support/log.ts'
import { openReader } from '../support/reader.ts'
import { startServer } from '../support/server.ts'

/** Three speakers, some seventy words each: a run of over 200 frames. */
const words = Array.from({ length: 75 }, (_, n) => `word${n}-ü`).join(' ')

type Server = Awaited<ReturnType<typeof startServer>>

async function group({ api, llm }: Server) {
  llm.script(() => ({ text: words }))
  return await api.group(['ana', 'ben', 'cleo'])
}

/** What a GET begins with; it is no frame. */
const withoutRetry = (text: string) => text.replace(/^retry: [12]\d{3}\n\n/, '')

/** Frames as they arrive; `leaveAfter` closes the connection once that many were read. */
async function read(response: Response, leaveAfter = Infinity): Promise<string> {
  expect(response.status).toBe(200)
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const whole = splitFrames(text.slice(0, text.lastIndexOf('\n\n') + 2))
    if (whole.length >= leaveAfter) return whole.slice(0, leaveAfter).join('')
  }
  return withoutRetry(text)
}

const byPost = async ({ api }: Server, runId: string, after: number) =>
  await read(await api.stream(`/v1/runs/${runId}/stream`, { starting_after: after }))

const byQuery = async ({ url }: Server, runId: string, after: number) =>
  await read(await fetch(`${url}/v1/runs/${runId}/stream?starting_after=${after}`))

/** What a browser does: the header after a reconnect; read by the npm package `eventsource`, to its end. */
function byEventSource({ url }: Server, runId: string, after: number): Promise<{ id: string; data: string }[]> {
  return new Promise((resolve, reject) => {
    const events: { id: string; data: string }[] = []
    const source = new EventSource(`${url}/v1/runs/${runId}/stream`, {
      fetch: (address, init) =>
        fetch(address, { ...init, headers: { ...init.headers, ...(after > 0 && { 'last-event-id': `${after}` }) } }),
    })
    source.onmessage = ({ lastEventId, data }) => {
      events.push({ id: lastEventId, data })
      if (data !== '[DONE]') return
      source.close()
      resolve(events)
    }
    source.onerror = (error) => {
      source.close()
      reject(new Error(error.message))
    }
  })
}

const asEvents = (text: string) =>
  splitFrames(text).map((frame) => ({ id: /^id: (\d+)/.exec(frame)![1]!, data: /^data: (.*)$/m.exec(frame)![1]! }))

test('F49 while the run streams: from every cursor, each way to resume gives the same suffix, byte for byte', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { id } = await api.group(['ana', 'ben', 'cleo'])
  // The first speaker stops at each word until all who come back there have been taken; the others go on as they like.
  const held = llm.hold()
  llm.script(() => ({ text: words }))
  const sender = await openReader(`${server.url}/v1/groups/${id}/messages/stream`, {
    method: 'POST',
    body: { input: 'talk', stream_tokens: true },
  })
  const runId = String(sender.headers['x-letta-run-id'])
  const back: { after: number; texts: Promise<string>[]; events: Promise<{ id: string; data: string }[]> }[] = []
  for (const word of words.split(' ')) {
    held.push(`${word} `)
    const after = back.length + 2 // The ping is 1.
    await sender.until((seen) => seen.length >= after)
    const texts = [byPost(server, runId, after), byQuery(server, runId, after)]
    back.push({ after, texts, events: byEventSource(server, runId, after) })
  }
  await sender.until((seen) => seen.length > words.split(' ').length)
  held.finish()
  await sender.ended
  const frames = sender.seen.map(({ text }) => text)
  // Three times 75 words, a ping, stop_reason, usage_statistics and [DONE].
  expect(sender.seen.map((frame) => frame.id)).toEqual(range(1, 229))
  for (const { after, texts, events } of back) {
    const suffix = frames.slice(after).join('')
    expect(await Promise.all(texts), `cursor ${after}`).toEqual([suffix, suffix])
    expect(await events, `cursor ${after}`).toEqual(asEvents(suffix))
  }
})

test('F51 a cursor in the future is refused with the last number, one at the end of a run that is over says so', async () => {
  const server = await startServer()
  const { api, llm, url } = server
  const { id } = await api.group(['ana'])
  const held = llm.hold()
  const sender = await openReader(`${url}/v1/groups/${id}/messages/stream`, { method: 'POST', body: { input: 'talk' } })
  const path = `/v1/runs/${String(sender.headers['x-letta-run-id'])}/stream`
  await sender.until((seen) => seen.length === 1)
  const refusal = { status: 400, body: { detail: 'INVALID_ARGUMENT: The run has no frame 2 yet; its last is 1' } }
  expect(await api.call('GET', `${path}?starting_after=2`)).toMatchObject(refusal)
  expect(await api.call('GET', path, undefined, { 'last-event-id': '2' })).toMatchObject(refusal)
  expect(await api.call('POST', path, { starting_after: 2 })).toMatchObject(refusal)
  held.finish()
  await sender.ended
  expect((await fetch(`${url}${path}?starting_after=${sender.seen.length}`)).status).toBe(204)
  expect((await fetch(`${url}${path}?starting_after=2000`)).status).toBe(204)
})

test('F49 after its end: from every cursor, each way to resume gives the same suffix, byte for byte', async () => {
  const server = await startServer()
  const { id } = await group(server)
  const first = await server.api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk', stream_tokens: true })
  const runId = first.headers.get('x-letta-run-id')!
  const frames = splitFrames(await read(first))
  expect(frames.length).toBeGreaterThan(200)
  for (const after of range(0, frames.length - 1)) {
    const suffix = frames.slice(after).join('')
    expect(await byPost(server, runId, after), `cursor ${after}`).toBe(suffix)
    expect(await byQuery(server, runId, after), `cursor ${after}`).toBe(suffix)
    expect(await byEventSource(server, runId, after), `cursor ${after}`).toEqual(asEvents(suffix))
  }
})

test('F48 a reader that disconnects at any frame and comes back sees the rest, once', async () => {
  const server = await startServer()
  const { api, llm } = server
  llm.script(() => ({ text: words }))
  const agents = await Promise.all(range(1, 3).map((n) => api.agent({ name: `member${n}` })))
  // One group for each cursor would be slow; the same run is left at every frame by a reader of its own.
  const { id } = await api.post<{ id: string }>('/v1/groups/', { agent_ids: agents.map((agent) => agent.id), description: '' })
  const first = await api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk', stream_tokens: true })
  const runId = first.headers.get('x-letta-run-id')!
  const broken = range(1, 225).map(async (leaveAfter) => {
    const leaving = new AbortController()
    const response = await api.stream(`/v1/runs/${runId}/stream`, {}, { signal: leaving.signal })
    const before = await read(response, leaveAfter)
    leaving.abort()
    return before + (await byPost(server, runId, idsOf(before).at(-1)!))
  })
  const whole = await read(first)
  for (const text of await Promise.all(broken)) expect(text).toBe(whole)
})

test('the sender leaves at once: the run goes on, and the rest is there', async () => {
  const server = await startServer()
  const { api } = server
  const { id } = await group(server)
  const leaving = new AbortController()
  const first = await api.stream(
    `/v1/groups/${id}/messages/stream`,
    { input: 'talk', stream_tokens: true },
    { signal: leaving.signal },
  )
  const runId = first.headers.get('x-letta-run-id')!
  leaving.abort()
  const whole = await byPost(server, runId, 0)
  expect(idsOf(whole)).toEqual(range(1, idsOf(whole).length))
  expect((await api.get<Run>(`/v1/runs/${runId}`)).status).toBe('completed')
})

test('F51 nothing is left: an EventSource hears 204 and stops, a POST gets its [DONE] once more', async () => {
  const server = await startServer()
  const { id } = await group(server)
  const first = await server.api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk' })
  const runId = first.headers.get('x-letta-run-id')!
  const frames = splitFrames(await read(first))
  const path = `${server.url}/v1/runs/${runId}/stream`
  const last = frames.length
  expect((await fetch(path, { headers: { 'last-event-id': `${last}` } })).status).toBe(204)
  expect((await fetch(`${path}?starting_after=${last}`)).status).toBe(204)
  expect((await fetch(`${path}?starting_after=${last + 100}`)).status).toBe(204)
  for (const after of [last, last + 100]) expect(await byPost(server, runId, after)).toBe(frames.at(-1))
})

test('F49 header and query together: the one that is ahead counts', async () => {
  const server = await startServer()
  const { id } = await group(server)
  const first = await server.api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk' })
  const runId = first.headers.get('x-letta-run-id')!
  const frames = splitFrames(await read(first))
  const both = async (header: number, query: number) =>
    await read(
      await fetch(`${server.url}/v1/runs/${runId}/stream?starting_after=${query}`, {
        headers: { 'last-event-id': `${header}` },
      }),
    )
  expect(await both(3, 1)).toBe(frames.slice(3).join(''))
  expect(await both(1, 3)).toBe(frames.slice(3).join(''))
  expect(await both(2, 2)).toBe(frames.slice(2).join(''))
})

test('what a resuming Letta client may send makes no difference: batch sizes, polling, no body at all', async () => {
  const server = await startServer()
  const { id } = await group(server)
  const first = await server.api.stream(`/v1/groups/${id}/messages/stream`, { input: 'talk' })
  const runId = first.headers.get('x-letta-run-id')!
  const whole = await read(first)
  for (const body of [
    {},
    { batch_size: 1 },
    { poll_interval: 0 },
    { batch_size: null, poll_interval: null, starting_after: null },
  ]) {
    expect(await read(await server.api.stream(`/v1/runs/${runId}/stream`, body))).toBe(whole)
  }
  expect(await read(await fetch(`${server.url}/v1/runs/${runId}/stream`, { method: 'POST' }))).toBe(whole)
  const quiet = await read(await server.api.stream(`/v1/runs/${runId}/stream/`, { include_pings: false }))
  expect(quiet).toBe(splitFrames(whole).slice(1).join(''))
})
