import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { announce } from '../logger.ts'
import type { Db } from './db.ts'
import { agentQueries } from './agents.ts'
import { blockQueries } from './blocks.ts'
import { frameQueries } from './frames.ts'
import { groupRunQueries } from './group-runs.ts'
import { groupQueries } from './groups.ts'
import { keyQueries } from './keys.ts'
import { type Lease, takeLease } from './lease.ts'
import { memoryQueries } from './memory.ts'
import { messageQueries } from './messages.ts'
import { bringUp } from './migrating.ts'
import { damaged, InUse, nameFile, openFile, reasonOf } from './opening.ts'
import { passageQueries } from './passages.ts'
import { runQueries } from './runs.ts'
import { searchIndex } from './search-index.ts'
import { searchQueries } from './search.ts'
import { rememberingStatements } from './statements.ts'
import type { Store } from './store.ts'
import { stepQueries } from './steps.ts'
import { tagQueries } from './tags.ts'
import { targetQueries } from './targets.ts'
import { tenantQueries } from './tenants.ts'
import { toolQueries } from './tools.ts'
import { Writer, type WriterOptions } from './writer.ts'

/** How often the file is looked after. */
const UPKEEP_MS = 1000
/** What is then put into the search index. */
const IDLE_SLICES = 32

/**
 * Opens the file, makes it if it is missing, and brings it to this version's schema; before that a copy is put beside it.
 *
 * @param url `file:<path>`, or `:memory:`
 * @throws {Error} with one clear line when it is in use, not a database, damaged, or from a newer version
 */
export function openSqlite(url: string, migrations: string, options?: WriterOptions): Store {
  const path = url.replace(/^file:/, '')
  const { raw, owner } = openFile(path)
  let lease: Lease
  try {
    raw.pragma('synchronous = NORMAL')
    raw.pragma('foreign_keys = ON')
    // A full disk for temporary files does not keep anybody from reading.
    raw.pragma('temp_store = MEMORY')
    bringUp(path, raw, migrations)
    nameFile(raw)
    lease = takeLease(raw)
  } catch (error) {
    raw.close()
    owner?.close()
    throw explained(path, error)
  }
  const writer = new Writer(raw, path, lease.check, options)
  const { write, writeOne } = writer
  const db: Db = { orm: drizzle(rememberingStatements(raw)), raw, epoch: lease.epoch, write, writeOne }
  const index = searchIndex(db)
  const upkeep = setInterval(() => {
    if (writer.upkeep()) index.catchUp(db.write, IDLE_SLICES).catch(writer.judge.bind(writer))
  }, UPKEEP_MS).unref()
  const countLog = raw.prepare<[], number>('SELECT count(*) FROM log').pluck()
  const verbs = {
    ...tenantQueries(db),
    ...keyQueries(db),
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
    ...stepQueries(db),
    ...tagQueries(db),
    ...targetQueries(db),
    ...frameQueries(db),
    async sizes() {
      return { fileBytes: bytesOf(path), walBytes: bytesOf(`${path}-wal`), logRows: countLog.get()! }
    },
  }
  return {
    ...heard(verbs, writer),
    ready: () => writer.ready(),
    failed: writer.failed,
    async close() {
      clearInterval(upkeep)
      try {
        if (!writer.failed.aborted) {
          lease.release()
          raw.pragma('optimize')
        }
      } catch (error) {
        // On a full disk: the next process finds it as after a crash.
        writer.judge(error)
      }
      raw.close()
      owner?.close()
    },
  }
}

/** A lock that another process holds is tried again so often. */
const STANDBY_MS = 100

/** The same, as soon as no other process has the file: the lock of one that dies is free at once (faults.md F102). */
export async function openWhenFree(url: string, migrations: string): Promise<Store> {
  for (let told = false; ; told = true) {
    try {
      return openSqlite(url, migrations)
    } catch (error) {
      if (!(error instanceof InUse)) throw error
      if (!told) announce(`Roundtable stands by: ${url} is in use`)
      await sleep(STANDBY_MS)
    }
  }
}

const bytesOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** What any query says of the file's health is heard; a damaged page may be met by a read first. */
function heard<T extends object>(verbs: T, writer: Writer): T {
  const entries = Object.entries(verbs as Record<string, (...args: unknown[]) => Promise<unknown>>)
  const hearing = entries.map(([name, verb]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return await verb(...args)
      } catch (error) {
        throw writer.judge(error)
      }
    },
  ])
  return Object.fromEntries(hearing) as T
}

/** What SQLite says while a file is brought up to date, in one line that names the file. */
function explained(path: string, error: unknown): unknown {
  const known = error instanceof Error && error.cause instanceof Database.SqliteError ? error.cause : error
  if (!(known instanceof Database.SqliteError)) return error
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(known.code)) return damaged(path, known.message)
  return new Error(`Cannot use the database ${path}: ${reasonOf(known)}`, { cause: error })
}
