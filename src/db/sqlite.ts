import Database from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Db } from './db.ts'
import { agentQueries } from './agents.ts'
import { blockQueries } from './blocks.ts'
import { frameQueries } from './frames.ts'
import { groupRunQueries } from './group-runs.ts'
import { groupQueries } from './groups.ts'
import { memoryQueries } from './memory.ts'
import { messageQueries } from './messages.ts'
import { passageQueries } from './passages.ts'
import { runQueries } from './runs.ts'
import { searchQueries } from './search.ts'
import { StorageTrouble } from '../errors.ts'
import type { Store } from './store.ts'
import { tenantQueries } from './tenants.ts'
import { toolQueries } from './tools.ts'

/**
 * Opens the file, makes it if it is missing, and brings it to this version's schema; before that a copy is put beside it.
 *
 * @param url `file:<path>`, or `:memory:`
 * @throws {Error} with one clear line when it is in use, not a database, or from a newer version
 */
export function openSqlite(url: string, migrations: string): Store {
  const path = url.replace(/^file:/, '')
  if (path !== ':memory:') makeFolder(path)
  const owner = own(path)
  const raw = open(path)
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
  const countLog = raw.prepare<[], number>('SELECT count(*) FROM log').pluck()
  return {
    ...tenantQueries(db),
    ...agentQueries(db),
    ...blockQueries(db),
    ...memoryQueries(db),
    ...toolQueries(db),
    ...groupQueries(db),
    ...messageQueries(db),
    ...searchQueries(db),
    ...passageQueries(db),
    ...runQueries(db),
    ...groupRunQueries(db),
    ...frameQueries(db),
    async ready() {
      return raw.open && db.write(() => true)
    },
    async sizes() {
      return { fileBytes: bytesOf(path), walBytes: bytesOf(`${path}-wal`), logRows: countLog.get()! }
    },
    async close() {
      raw.pragma('optimize')
      raw.close()
      owner?.close()
    },
  }
}

const bytesOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** Failures of the disk, not of the statement. */
function troubleOf(error: unknown): StorageTrouble | undefined {
  if (!(error instanceof Database.SqliteError)) return undefined
  if (/^SQLITE_(BUSY|LOCKED)/.test(error.code)) return new StorageTrouble('busy', error)
  if (/^SQLITE_(FULL|IOERR|READONLY)/.test(error.code)) return new StorageTrouble('full', error)
  return undefined
}

function makeFolder(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (cause) {
    throw new Error(`Cannot make the folder of the database ${path}: ${reasonOf(cause)}`, { cause })
  }
}

/** @throws {Error} for what is no database, in one line that names it */
function open(path: string): Database.Database {
  try {
    const raw = new Database(path)
    raw.pragma('journal_mode = WAL')
    return raw
  } catch (cause) {
    throw new Error(`Cannot open the database ${path}: ${reasonOf(cause)}`, { cause })
  }
}

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** A lock that dies with the process: two servers on one file would end each other's runs. */
function own(path: string): Database.Database | undefined {
  if (path === ':memory:') return undefined
  let owner: Database.Database | undefined
  try {
    owner = new Database(`${path}.lock`, { timeout: 0 })
    owner.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    owner?.close()
    if (!(cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY'))) {
      throw new Error(`Cannot lock the database ${path} (${path}.lock): ${reasonOf(cause)}`, { cause })
    }
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
    if (!existsSync(backup)) {
      // A copy that was cut off is not taken for one.
      rmSync(`${backup}.part`, { force: true })
      raw.prepare('VACUUM INTO ?').run(`${backup}.part`)
      renameSync(`${backup}.part`, backup)
    }
  }
  migrate(orm, { migrationsFolder })
}

function appliedMigration(raw: Database.Database): number | undefined {
  const table = raw.prepare(`SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'`).get()
  if (!table) return undefined
  const row = raw.prepare('SELECT max(created_at) AS at FROM __drizzle_migrations').get() as { at: number | null }
  return row.at ?? undefined
}
