import Database from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { agentQueries } from './agents.ts'
import { blockQueries } from './blocks.ts'
import { frameQueries } from './frames.ts'
import { groupQueries } from './groups.ts'
import { messageQueries } from './messages.ts'
import { runQueries } from './runs.ts'
import { StorageTrouble } from '../errors.ts'
import type { Store } from './store.ts'
import { tenantQueries } from './tenants.ts'
import { toolQueries } from './tools.ts'

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

/**
 * Opens the file, makes it if it is missing, and brings it to this version's schema; before that a copy is put beside it.
 *
 * @param url `file:<path>`, or `:memory:`
 * @throws {Error} with one clear line when it is in use, not a database, or from a newer version
 */
export function openSqlite(url: string, migrations: string): Store {
  const path = url.replace(/^file:/, '')
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
  const owner = own(path)
  const raw = new Database(path)
  raw.pragma('journal_mode = WAL')
  raw.pragma('synchronous = NORMAL')
  raw.pragma('foreign_keys = ON')
  raw.pragma('busy_timeout = 5000')
  const orm = drizzle(raw)
  bringUp(path, raw, orm, migrations)
  const transaction = raw.transaction((work: () => unknown) => work())
  const db: Db = {
    orm,
    raw,
    write<T>(work: () => T) {
      try {
        return transaction.immediate(work) as T
      } catch (error) {
        throw troubleOf(error) ?? error
      }
    },
  }
  return {
    ...tenantQueries(db),
    ...agentQueries(db),
    ...blockQueries(db),
    ...toolQueries(db),
    ...groupQueries(db),
    ...messageQueries(db),
    ...runQueries(db),
    ...frameQueries(db),
    async ready() {
      return raw.open && db.write(() => true)
    },
    async close() {
      raw.pragma('optimize')
      raw.close()
      owner?.close()
    },
  }
}

/** Failures of the disk, not of the statement. */
function troubleOf(error: unknown): StorageTrouble | undefined {
  if (!(error instanceof Database.SqliteError)) return undefined
  if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) return new StorageTrouble('busy', error)
  if (/^SQLITE_(FULL|IOERR|READONLY)/.test(error.code)) return new StorageTrouble('full', error)
  return undefined
}

/** A lock that dies with the process: two servers on one file would end each other's runs. */
function own(path: string): Database.Database | undefined {
  if (path === ':memory:') return undefined
  const owner = new Database(`${path}.lock`, { timeout: 0 })
  try {
    owner.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    owner.close()
    throw new Error(`${path} is in use by another Roundtable: stop it, or set DATABASE_URL to another file`, { cause })
  }
  return owner
}

function bringUp(path: string, raw: Database.Database, orm: BetterSQLite3Database, migrationsFolder: string) {
  const known = readMigrationFiles({ migrationsFolder }).map((migration) => migration.folderMillis)
  const newest = known.at(-1)!
  const applied = appliedMigration(raw)
  if (applied !== undefined && applied > newest) {
    throw new Error(
      `${path} was written by a newer Roundtable (schema ${applied}, this one knows ${newest}): update, or restore a backup`,
    )
  }
  if (applied === newest) return
  if (applied !== undefined) {
    const backup = `${path}.before-${newest}.backup`
    if (!existsSync(backup)) raw.prepare('VACUUM INTO ?').run(backup)
  }
  migrate(orm, { migrationsFolder })
}

function appliedMigration(raw: Database.Database): number | undefined {
  const table = raw.prepare(`SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'`).get()
  if (!table) return undefined
  const row = raw.prepare('SELECT max(created_at) AS at FROM __drizzle_migrations').get() as { at: number | null }
  return row.at ?? undefined
}
