import type Database from 'better-sqlite3'
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
import type { Writer } from './writer.ts'

/** One connection: the only writer. */
export interface Db {
  orm: BetterSQLite3Database
  raw: Database.Database
  write: Writer['write']
}
