import type Database from 'better-sqlite3'

/** Another process has taken the file over: this one may write no more, and ends. */
export class LeaseLost extends Error {}

export interface Lease {
  /** Rises with every process that opens the file. */
  epoch: number
  /** In the transaction of a write: it is refused when another process has taken over since. @throws {LeaseLost} */
  check(): void
  /** What this process worked on is free; whoever comes next does not take it for dead. */
  release(): void
}

/**
 * Makes this process the one that may write, and fences off whoever was before: one that was only asleep, and whose lock on the
 * file somebody took away, finds its lease gone and can change nothing (faults.md F100, P19).
 */
export function takeLease(raw: Database.Database): Lease {
  const take = raw.transaction(() => {
    raw.exec('DELETE FROM leases')
    return Number(raw.prepare('INSERT INTO leases (created_at) VALUES (?)').run(Date.now()).lastInsertRowid)
  })
  const epoch = take.immediate()
  const held = raw.prepare<[number], 1>('SELECT 1 FROM leases WHERE epoch = ?').pluck()
  const release = raw.transaction(() => {
    raw.prepare('UPDATE runs SET epoch = NULL WHERE epoch = ?').run(epoch)
    raw.prepare('DELETE FROM leases WHERE epoch = ?').run(epoch)
  })
  return {
    epoch,
    check() {
      if (held.get(epoch) === undefined) throw new LeaseLost()
    },
    release() {
      release.immediate()
    },
  }
}
