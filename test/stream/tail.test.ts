import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { splitFrames } from '../../src/stream/frame.ts'
import type { Page, Show } from '../../src/stream/page.ts'
import { tail } from '../../src/stream/tail.ts'
import { idsOf, range, readAll, said, testLog, type TestRun } from '../support/log.ts'

/** Small limits, so that pages come from the newest commit, from blocks in memory and from segments. */
const tiny = { flushMs: 0, segmentChars: 600, maxPinnedRows: 3 }
const turn = () => new Promise((resolve) => setImmediate(resolve))

type Bench = Awaited<ReturnType<typeof testLog>>

/** A run that says `count` words, each with a commit of its own. */
async function talk({ log }: Bench, { seq }: TestRun, count: number) {
  for (const n of range(1, count)) {
    await log.append(seq, [said(`word ${n} — 🎉`)])
    await log.settled()
  }
}

const follow = (
  { log }: Bench,
  { seq }: TestRun,
  show: Show,
  { after = 0, silenceMs = 60_000, signal = new AbortController().signal } = {},
) => tail(log, seq, after, { silenceMs, signal }, show)

test('what is committed is shown within the commit’s own call', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  let shown = 0
  const reading = follow(bench, run, ({ last }) => void (shown = last))
  expect(shown).toBe(1)
  await bench.log.commit(run.seq, [said('x')], async (frames) => {
    const row = await bench.store.appendFrames([frames!])
    expect(shown).toBe(1)
    return row
  })
  expect(shown).toBe(2)
  await bench.end(run)
  await reading
})

test('pages come in order, each when the one before is done with, and each frame once, however long a reader takes', async () => {
  const bench = await testLog(tiny)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant('silent' as const)), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 0, max: 30 }),
      fc.nat(30),
      async (delays, words, after) => {
        const run = await bench.begin()
        const from = Math.min(after, words + 1)
        const pages: Page[] = []
        let busy = false
        const reading = follow(
          bench,
          run,
          (page) => {
            expect(busy).toBe(false)
            const delay = delays[pages.push({ ...page }) % delays.length]!
            if (delay === 'silent') return undefined
            busy = true
            const done = Promise.withResolvers<void>()
            void (async () => {
              for (let left = delay; left > 0; left--) await turn()
              busy = false
              done.resolve()
            })()
            return done.promise
          },
          { after: from },
        )
        await talk(bench, run, words)
        await bench.end(run)
        await reading
        expect(busy).toBe(false)
        expect(pages.flatMap(({ text }) => idsOf(text))).toEqual(range(from + 1, words + 3))
        let last = from
        for (const page of pages) {
          last += splitFrames(page.text).length
          expect(page.last).toBe(last)
          expect(page.final).toBe(page === pages.at(-1))
        }
        expect(pages.map(({ text }) => text).join('')).toBe(await readAll(bench.log, run, from))
      },
    ),
    { numRuns: 60 },
  )
})

test('a show that throws ends that reader, and neither the commit nor another reader; the same of a promise', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const failures = [new Error('at once'), new Error('later')]
  const shown = [0, 0]
  const failing: Show[] = [
    () => {
      if (++shown[0]! === 3) throw failures[0]
      return undefined
    },
    () => (++shown[1]! === 3 ? Promise.reject(failures[1]) : undefined),
  ]
  const texts = ['', '']
  const well =
    (index: number): Show =>
    (page) =>
      void (texts[index] += page.text)
  // Before and behind those that fail, in the order in which they are woken.
  const first = follow(bench, run, well(0))
  const outcomes = Promise.allSettled(failing.map((show) => follow(bench, run, show)))
  const last = follow(bench, run, well(1))
  await talk(bench, run, 10)
  expect(await outcomes).toEqual(failures.map((reason) => ({ status: 'rejected', reason })))
  expect((await bench.log.position(run.seq))?.last).toBe(11)
  await bench.end(run)
  await Promise.all([first, last])
  expect(idsOf(texts[0]!)).toEqual(range(1, 13))
  expect(texts[1]).toBe(texts[0])
  expect(shown).toEqual([3, 3])
})

test.each([
  ['the first page', 1],
  ['the final page', 3],
])('a show that throws at %s is heard of, and is shown nothing more', async (_, at) => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const error = new Error('no more')
  let pages = 0
  const outcome = follow(bench, run, () => {
    if (++pages === at) throw error
    return undefined
  }).then(
    () => 'the end',
    (failure: unknown) => failure,
  )
  await talk(bench, run, 1)
  await bench.end(run)
  expect(await outcome).toBe(error)
  expect(pages).toBe(at)
})

test('nothing is shown after an abort, and a page that is not done with is not waited for', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const leaving = new AbortController()
  const never = Promise.withResolvers<void>()
  const pages: Page[] = []
  const reading = follow(
    bench,
    run,
    (page) => {
      pages.push(page)
      return never.promise
    },
    { signal: leaving.signal },
  )
  await talk(bench, run, 3)
  leaving.abort()
  await reading
  never.resolve()
  await talk(bench, run, 3)
  await bench.end(run)
  expect(pages.map(({ last }) => last)).toEqual([1])
})

test('a show that leaves is shown nothing more, though there is more', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  await talk(bench, run, 30)
  await bench.end(run)
  const leaving = new AbortController()
  const pages: Page[] = []
  // From the file, where each page is a promise.
  await follow(
    bench,
    run,
    (page) => {
      pages.push(page)
      leaving.abort()
      return undefined
    },
    { signal: leaving.signal },
  )
  expect(pages).toHaveLength(1)
})

test('one that has left before it came is shown nothing', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  await follow(bench, run, () => expect.unreachable(), { signal: AbortSignal.abort() })
  await bench.end(run)
})

test('one that leaves while its page is read from the file is not shown it', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  await bench.end(run)
  const leaving = new AbortController()
  const reading = follow(bench, run, () => expect.unreachable(), { signal: leaving.signal })
  leaving.abort()
  await reading
})

test('a reader that is not done with its page is shown no silence; one that waits is, again and again', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const slow: number[] = []
  const done = Promise.withResolvers<void>()
  const waiting: number[] = []
  const noted = (pages: number[]) => (page: Page) => void pages.push(page.text === '' ? 0 : page.last)
  const leaving = new AbortController()
  const options = { silenceMs: 1000, signal: leaving.signal }
  const both = [
    follow(
      bench,
      run,
      (page) => {
        noted(slow)(page)
        return slow.length === 1 ? done.promise : undefined
      },
      options,
    ),
    follow(bench, run, noted(waiting), options),
  ]
  vi.advanceTimersByTime(3000)
  expect(waiting).toEqual([1, 0, 0, 0])
  expect(slow).toEqual([1])
  done.resolve()
  await done.promise
  await turn()
  vi.advanceTimersByTime(1000)
  expect(slow).toEqual([1, 0])
  leaving.abort()
  await Promise.all(both)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  await bench.end(run)
})
