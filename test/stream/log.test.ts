import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StorageTrouble } from '../../src/errors.ts'
import { splitFrames } from '../../src/stream/frame.ts'
import { endOfPacked, Unpacker } from '../../src/stream/packed.ts'
import { tail } from '../../src/stream/tail.ts'
import { idsOf, pulled, range, readAll, reader, said, seqsOf, testLog } from '../support/log.ts'

/** Small limits, so that a few frames cross every border: pending → log row → segment. */
const tiny = { flushMs: 0, segmentChars: 600, maxPinnedRows: 3, trimRows: 1 }

/** What a writer may do next: append some messages, commit some with a step, let the loop turn, or let another run write. */
const action = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ kind: fc.constant('commit' as const), count: fc.integer({ min: 0, max: 3 }) }),
  fc.constant({ kind: 'turn' as const, count: 0 }),
  fc.constant({ kind: 'other' as const, count: 1 }),
)
const script = fc.array(action, { maxLength: 30 })
type Script = { kind: 'append' | 'commit' | 'turn' | 'other'; count: number }[]
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function play(bench: Awaited<ReturnType<typeof testLog>>, actions: Script) {
  const run = await bench.begin()
  const other = await bench.begin()
  return {
    run,
    other,
    async write() {
      for (const { kind, count } of actions) {
        const messages = range(1, count).map((n) => said(`${kind} ${n} — ü\n\ndata: [DONE]`))
        if (kind === 'append') await bench.log.append(run.seq, messages)
        else if (kind === 'other') await bench.log.append(other.seq, messages)
        else if (kind === 'commit') {
          await bench.log.commit(run.seq, messages, async (frames) => (frames ? bench.store.appendFrames([frames]) : 0))
        } else await turn()
      }
    },
    /** Its frames: the ping, what was written, stop_reason and `[DONE]`. */
    total: 3 + actions.reduce((sum, { kind, count }) => sum + (kind === 'append' || kind === 'commit' ? count : 0), 0),
  }
}

test('I1: whatever a run does, its frames are numbered 1, 2, 3 … in the id line and in the JSON', async () => {
  const bench = await testLog(tiny)
  await fc.assert(
    fc.asyncProperty(script, async (actions) => {
      const { run, other, write, total } = await play(bench, actions)
      await write()
      await Promise.all([bench.end(run), bench.end(other)])
      const text = await readAll(bench.log, run)
      expect(idsOf(text)).toEqual(range(1, total))
      expect(seqsOf(text)).toEqual(range(1, total - 1))
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    }),
    { numRuns: 40 },
  )
})

test('I2: what a reader sees at any moment is in the file already', async () => {
  const bench = await testLog(tiny)
  await fc.assert(
    fc.asyncProperty(script, async (actions) => {
      const { run, other, write } = await play(bench, actions)
      const stored = async () => {
        const frames: string[] = []
        for (;;) {
          const segment = await bench.store.readSegment(run.seq, frames.length)
          if (!segment) break
          frames.push(...new Unpacker().unpack(segment.frames, segment.first, segment.last - segment.first + 1).frames)
        }
        const unpacker = new Unpacker()
        for (const row of await bench.store.unsealed()) {
          let at = 0
          for (const [number, first, count] of row.runs) {
            if (number === run.seq && first > frames.length)
              frames.push(...unpacker.unpack(row.frames, first, count, at).frames)
            at = endOfPacked(row.frames, count, at)
          }
        }
        return new Set(frames)
      }
      const watching = (async () => {
        for await (const page of reader(bench.log, run)) {
          const there = await stored()
          for (const frame of splitFrames(page.text)) expect(there.has(frame)).toBe(true)
        }
      })()
      await write()
      await Promise.all([bench.end(run), bench.end(other), watching])
    }),
    { numRuns: 25 },
  )
})

test('what comes early in a long turn of the event loop is shown before that turn is over', async () => {
  const bench = await testLog({ flushMs: 0 })
  const run = await bench.begin()
  const shown = Promise.withResolvers<string>()
  const leave = new AbortController()
  const reading = tail(bench.log, run.seq, 1, { silenceMs: 60_000, signal: leave.signal }, ({ text }) => {
    shown.resolve(text)
    return undefined
  })
  let over = false
  setImmediate(() => (over = true))
  await bench.log.append(run.seq, [said('early')])
  await bench.log.append(run.seq, [said('and more of it')])
  expect(idsOf(await shown.promise)).toContain(2)
  expect(over).toBe(false)
  leave.abort()
  await reading
})

test('the first word of a step waits for no other frames, and takes along what does', async () => {
  const bench = await testLog({ flushMs: 60_000 })
  const [ana, ben] = [await bench.begin(), await bench.begin()]
  const turns = async () => {
    for (let count = 0; count < 10; count++) await turn()
  }
  const last = async () => Promise.all([ana, ben].map(async ({ seq }) => (await bench.log.position(seq))!.last))
  await bench.log.append(ana.seq, [said('first')])
  await turns()
  expect(await last()).toEqual([2, 1])
  await bench.log.append(ana.seq, [said('second')])
  await turns()
  expect(await last()).toEqual([2, 1])
  await bench.log.append(ben.seq, [said('first')])
  await turns()
  expect(await last()).toEqual([3, 2])
  await bench.log.commit(ana.seq, [], async () => 0)
  await bench.log.append(ana.seq, [said('of the next step')])
  await turns()
  expect(await last()).toEqual([4, 2])
})

test('I3 and I6: readers that come at any moment, from any cursor, get the same bytes, without gap or duplicate', async () => {
  const bench = await testLog(tiny)
  await fc.assert(
    fc.asyncProperty(script, fc.array(fc.nat(40), { maxLength: 6 }), async (actions, cursors) => {
      const { run, other, write, total } = await play(bench, actions)
      const early = cursors.map((after) => readAll(bench.log, run, Math.min(after, total)))
      const writing = write()
      await turn()
      const midway = cursors.map((after) => readAll(bench.log, run, Math.min(after, total)))
      await writing
      await Promise.all([bench.end(run), bench.end(other)])
      const frames = splitFrames(await readAll(bench.log, run))
      for (const [index, after] of cursors.entries()) {
        const suffix = frames.slice(Math.min(after, total)).join('')
        expect(await early[index]).toBe(suffix)
        expect(await midway[index]).toBe(suffix)
        expect(await readAll(bench.log, run, Math.min(after, total))).toBe(suffix)
      }
    }),
    { numRuns: 40 },
  )
})

test('I4 and I5: a run ends once, in one transaction with its status, and nothing can be added', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  await bench.end(run)
  expect((await bench.store.takeOverRuns()).length).toBe(0)
  const before = await readAll(bench.log, run)
  expect(() => bench.log.append(run.seq, [said('late')])).toThrow('not live')
  await expect(bench.end(run)).rejects.toThrow('not live')
  expect(await readAll(bench.log, run)).toBe(before)
  expect(before.match(/"stop_reason"/g)?.length).toBe(2) // its type and its field, in one frame
})

test('I4: when the transaction that ends a run fails, no reader has seen an end, and it is tried again', async () => {
  const bench = await testLog({ ...tiny, retryMs: 1 })
  const run = await bench.begin()
  let tries = 0
  const { store } = bench
  const failing = store.endRun.bind(store)
  store.endRun = async (...args) => {
    if (++tries < 3) throw new StorageTrouble('full', new Error('no space'))
    expect((await bench.log.position(run.seq))?.final).toBe(false)
    return await failing(...args)
  }
  await bench.end(run)
  expect(tries).toBe(3)
  expect(idsOf(await readAll(bench.log, run))).toEqual([1, 2, 3])
})

test('what a full disk refuses is kept, in order, until it takes it again', async () => {
  const bench = await testLog({ ...tiny, retryMs: 1 })
  const run = await bench.begin()
  const { store } = bench
  const write = store.appendFrames.bind(store)
  let refusals = 3
  store.appendFrames = async (batch) => {
    if (refusals-- > 0) throw new StorageTrouble('full', new Error('no space'))
    return await write(batch)
  }
  for (const n of range(1, 20)) await bench.log.append(run.seq, [said(`${n}`)])
  await bench.end(run)
  expect(idsOf(await readAll(bench.log, run))).toEqual(range(1, 23))
})

test('I7: after a crash at any point a run’s stored frames are whole, and it goes on from there', async () => {
  await fc.assert(
    fc.asyncProperty(script, async (actions) => {
      const bench = await testLog(tiny)
      const { run, other, write } = await play(bench, actions)
      await write()
      // Seen by somebody: it must still be there.
      const seen = await bench.log.read(run.seq, 0)
      const next = await bench.crash()
      await Promise.all([next.end(run), next.end(other)])
      const text = await readAll(next.log, run)
      expect(idsOf(text)).toEqual(range(1, idsOf(text).length))
      expect(text.startsWith(seen!.text)).toBe(true)
      await Promise.all([bench.end(run), bench.end(other)])
    }),
    { numRuns: 25 },
  )
})

test('I8: the log’s head is trimmed when all of it is in segments, also while a slow run holds on', async () => {
  const bench = await testLog(tiny)
  const slow = await bench.begin()
  const busy = await bench.begin()
  for (const n of range(1, 200)) {
    void bench.log.append(busy.seq, [said(`${n}`)])
    await turn()
    await turn()
  }
  await bench.end(busy)
  expect((await bench.store.unsealed()).length).toBeLessThanOrEqual(tiny.maxPinnedRows + 2)
  await bench.end(slow)
  expect((await bench.store.unsealed()).length).toBe(1)
  expect(idsOf(await readAll(bench.log, slow))).toEqual([1, 2, 3])
  expect(idsOf(await readAll(bench.log, busy))).toEqual(range(1, 203))
})

test('I9: a reader that does not read neither stops the writer nor another reader', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const stalled = reader(bench.log, run)
  await stalled.next()
  for (const n of range(1, 500)) await bench.log.append(run.seq, [said(`${n}`)])
  await bench.end(run)
  expect(idsOf(await readAll(bench.log, run))).toEqual(range(1, 503))
  let rest = ''
  for await (const page of stalled) rest += page.text
  expect(idsOf(rest)).toEqual(range(2, 503))
})

test('I9: a writer far ahead of the disk is told to wait', async () => {
  const bench = await testLog({ ...tiny, maxPending: 10 })
  const run = await bench.begin()
  expect(
    bench.log.append(
      run.seq,
      range(1, 10).map((n) => said(`${n}`)),
    ),
  ).toBeUndefined()
  const full = bench.log.append(run.seq, [said('one too many')])
  expect(full).toBeInstanceOf(Promise)
  await full
  expect((await bench.log.position(run.seq))?.last).toBe(12)
  await bench.end(run)
})

test('I10: a cursor at or past the end of a finished run ends at once', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  await bench.end(run)
  expect(await bench.log.position(run.seq)).toEqual({ last: 3, final: true })
  for (const after of [3, 4, 1000]) expect(await readAll(bench.log, run, after)).toBe('')
})

test('a reader that leaves, even while it waits, leaves nothing behind', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const leaving = new AbortController()
  const pages = reader(bench.log, run, 0, leaving.signal)
  await pages.next()
  const waiting = pages.next()
  leaving.abort()
  expect(await waiting).toEqual({ done: true, value: undefined })
  await bench.end(run)
})

test('silence is an empty page, and a frame in it wakes the reader', async () => {
  const bench = await testLog(tiny)
  const run = await bench.begin()
  const { signal } = new AbortController()
  const silent = pulled((show) => tail(bench.log, run.seq, 1, { silenceMs: 1, signal }, show))
  expect((await silent.next()).value).toEqual({ text: '', last: 1, final: false })
  await bench.end(run)
  expect((await silent.next()).value?.final).toBe(true)
})
