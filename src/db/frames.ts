import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { log, segments } from './schema.ts'
import type { Db } from './db.ts'
import type { Frames, LogRow, NewFrames, Segment } from './store.ts'

/** The log's statements are raw: they run at every group commit. */
export const frameQueries = ({ orm, raw, write }: Db): Frames => {
  const insertLog = raw.prepare<[string, string]>('INSERT INTO log (runs, frames) VALUES (?, ?)')
  const segmentAfter = raw.prepare<[number, number], StoredSegment>(
    'SELECT run, first, last, final, frames FROM segments WHERE run = ? AND first <= ? ORDER BY first DESC LIMIT 1',
  )
  return {
    async appendFrames(batch) {
      return write(() => appendTo(insertLog, batch))
    },
    async seal(moved) {
      await write(() => orm.insert(segments).values(moved).run())
    },
    async trimLog(logId) {
      // The newest row stays: SQLite would give its id again, and ids must rise.
      await write(() =>
        orm
          .delete(log)
          .where(and(lt(log.id, logId), lt(log.id, sql`(SELECT max(id) FROM log)`)))
          .run(),
      )
    },
    async readSegment(run, after) {
      const segment = segmentAfter.get(run, after + 1)
      return segment && segment.last > after ? { ...segment, final: segment.final === 1 } : undefined
    },
    async lastSealed(run) {
      return orm
        .select({ last: segments.last, final: segments.final })
        .from(segments)
        .where(eq(segments.run, run))
        .orderBy(desc(segments.first))
        .limit(1)
        .get()
    },
    async unsealed() {
      return orm.select().from(log).orderBy(log.id).all() satisfies LogRow[]
    },
  }
}

interface StoredSegment extends Omit<Segment, 'final'> {
  final: 0 | 1
}

type Insert = { run(runs: string, frames: string): { lastInsertRowid: number | bigint } }

/** One row with the frames of all these runs; inside a transaction of the caller. @returns its id */
export function appendTo(insert: Insert, batch: NewFrames[]): number {
  const runs = batch.map(({ run, first, frames }) => [run, first, frames.length])
  const frames = batch.map((one) => one.frames.join('')).join('')
  return Number(insert.run(JSON.stringify(runs), frames).lastInsertRowid)
}
