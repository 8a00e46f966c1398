import type Database from 'better-sqlite3'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Writer } from './writer.ts'

/** One connection: the only writer. */
export interface Db {
  orm: BetterSQLite3Database
  raw: Database.Database
  /** The lease of this process: it writes while that is there, and never after. */
  epoch: number
  write: Writer['write']
  writeOne: Writer['writeOne']
}
