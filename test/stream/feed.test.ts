import { expect, test } from 'vitest'
import type { FeedRun } from '../../src/db/store.ts'
import { feed, type FeedPage } from '../../src/stream/feed.ts'
import type { Show } from '../../src/stream/page.ts'
import { splitFrames } from '../../src/stream/frame.ts'
import { range, said, testLog, type TestRun } from '../support/log.ts'

const turns = async () => {
  for (let n = 0; n < 20; n++) await new Promise(setImmediate)
}

/** A group whose runs are those that were begun, for one who watches it from the start. */
async function group() {
  const bench = await testLog({ flushMs: 0 })
  const runs: FeedRun[] = []
  /** Waits for each look at what there is. */
  let looked: () => Promise<void> = async () => {}
  return {
    ...bench,
    /** A new run, and whether those who watch are told. */
    async next({ told = true } = {}): Promise<TestRun> {
      const run = await bench.begin()
      runs.push({ ...run, status: 'running' })
      if (told) bench.log.announce('group')
      return run
    },
    onLook: (look: () => Promise<void>) => (looked = look),
    watch(show: Show<FeedPage>, signal: AbortSignal) {
      const next = async (number: number) => {
        const found = runs.find(({ seq }) => seq > number)
        await looked()
        return found
      }
      const start = { run: undefined, number: 0, seq: 0, fresh: false }
      return feed(bench.log, start, { group: 'group', next, silenceMs: 60_000, signal }, show)
    },
  }
}

const idsIn = (text: string) => splitFrames(text).map((frame) => /^id: (\S+)\n/.exec(frame)![1])

test('runs are shown one after the other, each whole, each page when the one before is done with', async () => {
  const { next, log, end, watch } = await group()
  const leaving = new AbortController()
  let text = ''
  let busy = false
  const watching = watch(async (page) => {
    expect(busy).toBe(false)
    text += page.text
    busy = true
    await turns()
    busy = false
    if (text.includes('id: 3.3\n')) leaving.abort()
  }, leaving.signal)
  for (const run of [await next(), await next(), await next()]) {
    await log.append(run.seq, [said('x')])
    await end(run)
  }
  await watching
  // The fourth frame of each is its `[DONE]`.
  expect(idsIn(text)).toEqual(range(1, 3).flatMap((run) => range(1, 3).map((seq) => `${run}.${seq}`)))
})

test('a run that begins while the watcher looks for one is found', async () => {
  const { next, onLook, watch } = await group()
  const leaving = new AbortController()
  let looks = 0
  onLook(async () => void (++looks === 1 && (await next())))
  await watch((page) => {
    if (page.text !== '') leaving.abort()
    return undefined
  }, leaving.signal)
  expect(looks).toBe(2)
})

test.each<[string, number]>([
  ['there is no run', 0],
  ['it follows one', 1],
])('a watcher that leaves while %s is free at once', async (_, runs) => {
  const { next, watch, log } = await group()
  const run = runs > 0 ? await next() : undefined
  const leaving = new AbortController()
  let shown = 0
  let free = false
  void watch(() => void shown++, leaving.signal).then(() => (free = true))
  await turns()
  expect({ free, shown }).toEqual({ free: false, shown: runs })
  leaving.abort()
  if (run) await log.append(run.seq, [said('nobody hears it')])
  await turns()
  expect({ free, shown }).toEqual({ free: true, shown: runs })
})

test('a show that throws ends the watching, and its error comes back', async () => {
  const { next, watch, log, end } = await group()
  const run = await next()
  const error = new Error('enough')
  let shown = 0
  const watching = watch(() => {
    if (++shown === 2) throw error
    return undefined
  }, new AbortController().signal)
  const outcome = watching.catch((failure: unknown) => failure)
  await turns()
  await log.append(run.seq, [said('x')])
  await log.settled()
  await end(run)
  expect(await outcome).toBe(error)
})
