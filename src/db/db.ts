import type Database from 'better-sqlite3'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'

/** One connection: the only writer. */
export interface Db {
  orm: BetterSQLite3Database
  raw: Database.Database
  /**
   * All of `work` or nothing of it. Immediate: a transaction that reads first and writes later would fail at once when
   * another one committed between the two (faults.md §9.5). `work` must not wait for anything.
   */
  write<T>(work: () => T): T
}
