import { expect, test } from 'vitest'
import { keepFrames } from '../../src/stream/retention.ts'
import { eventually } from '../support/eventually.ts'
import { idsOf, range, readAll, reader, said, testLog } from '../support/log.ts'

const never = 0
const always = Number.MAX_SAFE_INTEGER

test('whole runs go, oldest first; what has not ended stays, and so does what ended later', async () => {
  const bench = await testLog({ segmentChars: 200 })
  const [old, open, next] = [await bench.begin(), await bench.begin(), await bench.begin()]
  for (const run of [old, open, next]) await bench.log.append(run.seq, [said('one'), said('two')])
  await bench.end(old)
  await bench.end(next)
  const { store, log } = bench
  expect(await store.pruneFrames(never, 0)).toBeUndefined()
  // Each was admitted at 0 and ended at 1.
  expect(await store.pruneFrames(1, 0)).toBe(old.seq)
  expect(await log.position(old.seq)).toMatchObject({ final: true })

  for (let after: number | undefined = 0; after !== undefined; after = await store.pruneFrames(always, after));
  expect(await log.position(old.seq)).toBeUndefined()
  expect(await log.position(next.seq)).toBeUndefined()
  await bench.end(open)
  expect(idsOf(await readAll(log, open))).toEqual(range(1, 5))
})

test('F11 a large run that is half deleted is none at all, after a crash too; who was reading it is told by an error', async () => {
  const bench = await testLog()
  const run = await bench.begin()
  const page = 'x'.repeat(1024 * 1024)
  for (let n = 0; n < 20; n++) {
    const full = bench.log.append(run.seq, [said(page)])
    await full
    await bench.log.settled()
  }
  await bench.end(run)
  const pages = reader(bench.log, run)
  await pages.next()

  expect(await bench.store.pruneFrames(always, 0)).toBe(run.seq - 1)
  const crashed = await bench.crash()
  for (const { log, store } of [bench, crashed]) {
    expect(await log.position(run.seq)).toBeUndefined()
    expect(await store.readSegment(run.seq, 0)).toBeDefined()
    for (let after: number | undefined = 0; after !== undefined; after = await store.pruneFrames(always, after));
    expect(await store.readSegment(run.seq, 0)).toBeUndefined()
  }
  const rest = async () => {
    for await (const { final } of pages) expect(final).toBe(false)
  }
  await expect(rest()).rejects.toThrow('kept no more')
})

test('it happens by itself, and what goes on beside it goes on', async () => {
  const bench = await testLog()
  const runs = [await bench.begin(), await bench.begin(), await bench.begin()]
  for (const run of runs) await bench.end(run)
  const stop = keepFrames(bench.store, 1)
  await eventually(async () => (await bench.store.readSegment(runs[2]!.seq, 0)) === undefined)
  stop()
  const next = await bench.begin()
  await bench.end(next)
  expect(idsOf(await readAll(bench.log, next))).toEqual([1, 2, 3])
})

test('0 keeps everything', async () => {
  const { store } = await testLog()
  store.pruneFrames = () => Promise.reject(new Error('not asked for'))
  keepFrames(store, 0)()
})
