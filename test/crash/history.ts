import { expect } from 'vitest'
import { Folding } from '../../src/stream/fold.ts'
import { readFrame } from '../../src/stream/frame.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { apiAt } from '../support/api.ts'
import { openReader, readToEnd, type Reader, type ReaderOptions } from '../support/reader.ts'

/*
 * What clients saw, held against what is stored (faults.md §6: the history checker).
 */

/** A request, and all who read the run that it became. */
export interface Talk {
  runId: string
  groupId: string
  input: string
  /** Whether each token was a frame. */
  tokens: boolean
  readers: Reader[]
}

export interface TalkOptions extends Pick<ReaderOptions, 'onFrame'> {
  groupId: string
  input: string
  tokens: boolean
  readers: number
}

/** Sends to a group and reads the answer; further readers follow the run by its id. */
export async function talk(url: string, { groupId, input, tokens, readers: count, onFrame }: TalkOptions): Promise<Talk> {
  const body = { input, stream_tokens: tokens, max_steps: 1000 }
  const sender = await openReader(`${url}/v1/groups/${groupId}/messages/stream`, { method: 'POST', body, onFrame })
  expect(sender.status).toBe(200)
  const runId = String(sender.headers['x-letta-run-id'])
  const readers = [sender]
  const found: Talk = { runId, groupId, input, tokens, readers }
  const others = Array.from({ length: count - 1 }, async () => {
    // A reader that finds nobody any more has seen nothing.
    const reader = await openReader(`${url}/v1/runs/${runId}/stream`, { onFrame }).catch(() => undefined)
    if (reader) readers.push(reader)
  })
  await Promise.all(others)
  return found
}

/** How a run came to its end: in one go, taken up again by a later process, or given up because processes died over one step. */
export type Fate = 'undisturbed' | 'went on' | 'given up'

/** Waits for the end of a run whose process is dead, and holds all that is promised about it. @returns its stored frames, and how it ended */
export async function checkTalk(url: string, { runId, input, readers }: Talk): Promise<{ frames: string[]; fate: Fate }> {
  const api = apiAt(url)
  const frames = await storedFrames(url, runId)
  const run = await api.get<Run>(`/v1/runs/${runId}`)
  const fate = expectOneEnd(frames, run)
  for (const { seen } of readers) expectStored(seen, frames)
  for (const { seen } of readers) await expectRest(url, runId, seen.at(-1)?.id ?? 0, frames)
  const listed = await api.get<LettaMessage[]>(`/v1/runs/${runId}/messages?limit=1000`)
  expect(listed[0]).toMatchObject({ message_type: 'user_message', content: input })
  expectListed(frames, listed.slice(1))
  return { frames, fate }
}

/** The whole stream, from the first frame to the last. */
export async function storedFrames(url: string, runId: string): Promise<string[]> {
  const stream = await readToEnd(`${url}/v1/runs/${runId}/stream`, { method: 'POST', body: { starting_after: 0 } })
  expect({ status: stream.status, ended: await stream.ended, rest: stream.rest }).toEqual({
    status: 200,
    ended: 'end',
    rest: '',
  })
  expect(stream.seen.map(({ id }) => id)).toEqual(stream.seen.map((_, index) => index + 1))
  return stream.seen.map(({ text }) => text)
}

/** Numbers without a gap, the bytes that are stored (streaming.md §A.1, I1, I3). */
export function expectStored(seen: Reader['seen'], stored: string[]): void {
  const numbered = seen.filter(({ id }) => id !== undefined)
  const first = numbered[0]?.id ?? 1
  expect(numbered.map(({ id }) => id)).toEqual(numbered.map((_, index) => first + index))
  expect(numbered.map(({ text }) => text)).toEqual(stored.slice(first - 1, first - 1 + numbered.length))
}

/** What a reader that comes back gets is what it has not seen; when that is nothing, 204. */
async function expectRest(url: string, runId: string, after: number, frames: string[]) {
  const back = await readToEnd(`${url}/v1/runs/${runId}/stream`, { headers: { 'last-event-id': `${after}` } })
  expect(back.status).toBe(after === frames.length ? 204 : 200)
  expect(back.seen.map(({ text }) => text)).toEqual(frames.slice(after))
}

/** One terminal sequence, last, that says what the run's row says (streaming.md §A.1, I4, I5, I7). */
export function expectOneEnd(frames: string[], run: Run): Fate {
  const types = frames.map((frame) => readFrame(frame)?.message_type ?? '[DONE]')
  const ending = new Set(['stop_reason', 'usage_statistics', 'error_message', '[DONE]'])
  expect(types.slice(0, -3).filter((type) => ending.has(type))).toEqual([])
  const [stop, last] = frames.slice(-3).map((frame) => readFrame(frame))
  if (types.at(-2) === 'usage_statistics') {
    expect(types.slice(-3)).toEqual(['stop_reason', 'usage_statistics', '[DONE]'])
    expect(stop).toMatchObject({ stop_reason: 'end_turn', run_id: run.id })
    expect(run).toMatchObject({ status: 'completed', stop_reason: 'end_turn' })
    return types.includes('event_message') ? 'went on' : 'undisturbed'
  }
  expect(types.slice(-3)).toEqual(['stop_reason', 'error_message', '[DONE]'])
  expect(stop).toMatchObject({ stop_reason: 'error', run_id: run.id })
  expect(last).toMatchObject({ error_type: 'stream_task_cancelled', run_id: run.id })
  expect(frames.at(-2)).toMatch(/^id: \d+\nevent: error\ndata: /)
  expect(run).toMatchObject({ status: 'failed', stop_reason: 'error' })
  expect(run.completed_at).not.toBeNull()
  return 'given up'
}

/** Rows and frames say the same: what was withdrawn is in neither (I2). A partial answer is marked only where it is listed. */
export function expectListed(frames: string[], listed: LettaMessage[]) {
  const folding = new Folding()
  for (const frame of frames) folding.add(readFrame(frame) ?? { message_type: 'stop_reason', stop_reason: 'end_turn' })
  const said = folding.result().messages.filter(({ message_type: type }) => type !== 'event_message')
  const plain = (messages: LettaMessage[]) => messages.map((message) => ({ ...message, seq_id: null, is_err: null }))
  expect(plain(listed)).toEqual(plain(said))
}
