import { and, eq, gte } from 'drizzle-orm'
import { log, segments } from './schema.ts'
import type { Db } from './db.ts'
import { inserter } from './inserter.ts'
import { LeaseLost } from './lease.ts'
import type { Frames, LogRow, NewFrames, Segment } from './store.ts'

/** The log's statements are raw: they run at every group commit. */
export const frameQueries = ({ orm, raw, epoch, write, writeOne }: Db): Frames => {
  const insertLog = raw.prepare<[string, string, number]>(
    'INSERT INTO log (runs, frames) SELECT ?, ? WHERE EXISTS (SELECT 1 FROM leases WHERE epoch = ?)',
  )
  const insertHeld: Insert = {
    run(runs, frames) {
      const inserted = insertLog.run(runs, frames, epoch)
      if (inserted.changes === 0) throw new LeaseLost()
      return inserted
    },
  }
  const insertSegment = inserter({ raw }, segments)
  // The newest row stays: SQLite would give its id again, and ids must rise.
  const trim = raw.prepare<[number]>('DELETE FROM log WHERE id < ? AND id < (SELECT max(id) FROM log)')
  const segmentAfter = raw.prepare<[number, number], StoredSegment>(
    'SELECT run, first, last, final, frames FROM segments WHERE run = +? AND first <= ? ORDER BY first DESC LIMIT 1',
  )
  const lastSegment = raw.prepare<[number], { last: number; final: 0 | 1 }>(
    'SELECT last, final FROM segments WHERE run = +? ORDER BY first DESC LIMIT 1',
  )
  const nextSealed = raw.prepare<[number], { run: number; created: number; ended: number | null }>(
    `SELECT runs.seq AS run, created_at AS created, completed_at AS ended FROM runs
     WHERE seq = (SELECT run FROM segments WHERE run > ? ORDER BY run LIMIT 1)`,
  )
  const lastPieces = raw
    .prepare<[number, number], number>(
      `SELECT min(first) FROM (SELECT first, sum(octet_length(frames)) OVER (ORDER BY first DESC) - octet_length(frames) AS behind
       FROM segments WHERE run = ?) WHERE behind < ?`,
    )
    .pluck()
  return {
    async appendFrames(batch) {
      return writeOne(() => appendTo(insertHeld, batch))
    },
    async seal(moved) {
      await write(() => {
        for (const segment of moved) insertSegment(segment)
      })
    },
    async trimLog(logId) {
      await write(() => trim.run(logId))
    },
    async readSegment(run, after) {
      const segment = segmentAfter.get(run, after + 1)
      return segment && segment.last > after ? { ...segment, final: segment.final === 1 } : undefined
    },
    async lastSealed(run) {
      const end = lastSegment.get(run)
      return end && { last: end.last, final: end.final === 1 }
    },
    async pruneFrames(before, after) {
      const next = nextSealed.get(after)
      // Runs are numbered as they come: those behind it have not ended before it began.
      if (!next || next.created >= before) return undefined
      if (next.ended === null || next.ended >= before) return next.run
      const { run } = next
      await write(() => {
        const first = lastPieces.get(run, PRUNED_BYTES)!
        orm
          .delete(segments)
          .where(and(eq(segments.run, run), gte(segments.first, first)))
          .run()
      })
      return run - 1
    },
    async unsealed() {
      return orm.select().from(log).orderBy(log.id).all() satisfies LogRow[]
    },
  }
}

/** What one transaction takes away takes some milliseconds: almost every run at once, one that is larger from its end on. */
const PRUNED_BYTES = 8 * 1024 * 1024

interface StoredSegment extends Omit<Segment, 'final'> {
  final: 0 | 1
}

type Insert = { run(runs: string, frames: string): { lastInsertRowid: number | bigint } }

/** One row with the frames of all these runs; inside a transaction of the caller. @returns its id */
export function appendTo(insert: Insert, batch: NewFrames[]): number {
  const runs = batch.map(({ run, first, count }) => [run, first, count])
  const frames = batch.map((one) => one.frames).join('')
  return Number(insert.run(JSON.stringify(runs), frames).lastInsertRowid)
}
