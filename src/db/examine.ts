import Database from 'better-sqlite3'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { existsSync } from 'node:fs'
import type { Finding } from './finding.ts'
import { examinePairing } from './pairing.ts'

export interface ExamineOptions {
  migrations: string
  /** Change what can be mended; else it is only said. */
  repair: boolean
}

export const pathOf = (url: string) => url.replace(/^file:/, '')

/**
 * Looks for what should not be in a database file, and mends what can be mended without a guess. While a server works on the file
 * it is only looked at.
 *
 * @throws {Error} in one line, when it cannot be looked at
 */
export function examine(url: string, { migrations, repair }: ExamineOptions): Finding[] {
  const path = pathOf(url)
  if (path === ':memory:') return [{ level: 'note', text: 'The database is in memory: there is no file to look at' }]
  if (!existsSync(path))
    return [{ level: 'note', text: `There is no database ${path} yet: the server makes it when it starts` }]
  const lock = lockOf(path)
  try {
    const mend = repair && lock !== undefined
    const db = new Database(path, { readonly: !mend, timeout: 5000 })
    db.pragma('foreign_keys = ON')
    try {
      return [
        ...(lock || !repair ? [] : [note('A server works on the file: it is looked at, and nothing is mended')]),
        ...looks.flatMap((look) => look(db, { migrations, mend, running: lock === undefined })),
      ]
    } finally {
      db.close()
    }
  } catch (cause) {
    throw new Error(`Cannot look at ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  } finally {
    lock?.close()
  }
}

interface Situation {
  migrations: string
  mend: boolean
  /** A server works on the file now. */
  running: boolean
}

type Look = (db: Database.Database, situation: Situation) => Finding[]

const fine = (text: string): Finding => ({ level: 'fine', text })
const note = (text: string): Finding => ({ level: 'note', text })
const trouble = (text: string): Finding => ({ level: 'trouble', text })

const looks: Look[] = [
  pages,
  references,
  version,
  (db, situation) => (isCurrent(db, situation) ? ofOurs.flatMap((look) => look(db, situation)) : []),
]

/** What needs our tables, as this version knows them. */
const ofOurs: Look[] = [openRuns, locks, streams, (db, { mend }) => examinePairing(db, mend)]

function pages(db: Database.Database): Finding[] {
  const bad = db.pragma('integrity_check(5)') as { integrity_check: string }[]
  if (bad[0]?.integrity_check === 'ok') return [fine('The file is whole')]
  return [trouble(`The file is damaged: ${bad.map((row) => row.integrity_check).join('; ')}. Restore a backup`)]
}

function references(db: Database.Database): Finding[] {
  const bad = db.pragma('foreign_key_check') as { table: string; parent: string }[]
  if (bad.length === 0) return [fine('All references lead somewhere')]
  const kinds = [...new Set(bad.map(({ table, parent }) => `${table} → ${parent}`))]
  return [trouble(`${bad.length} rows refer to rows that are not there: ${kinds.join(', ')}`)]
}

function version(db: Database.Database, { migrations }: Situation): Finding[] {
  const newest = newestVersion(migrations)
  const applied = appliedVersion(db)
  if (applied === undefined) return [trouble('It is no database of Roundtable')]
  if (applied === newest) return [fine(`The schema is this version's (${newest})`)]
  if (applied > newest) return [trouble(`The schema is of a newer Roundtable (${applied}, this one knows ${newest}): update`)]
  return [note(`The schema is older (${applied}): the server brings it to ${newest} when it starts, and keeps a copy`)]
}

const newestVersion = (migrations: string) => readMigrationFiles({ migrationsFolder: migrations }).at(-1)!.folderMillis

function appliedVersion(db: Database.Database): number | undefined {
  const has = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'`).get()
  if (!has) return undefined
  return db.prepare<[], number>('SELECT max(created_at) FROM __drizzle_migrations').pluck().get()
}

const isCurrent = (db: Database.Database, { migrations }: Situation) => appliedVersion(db) === newestVersion(migrations)

/** Whoever works on a run holds the lease that the run names. */
function openRuns(db: Database.Database, { running }: Situation): Finding[] {
  const open = db
    .prepare<[], { id: string; held: 0 | 1 }>(
      `SELECT id, coalesce(epoch IN (SELECT epoch FROM leases), 0) AS held FROM runs WHERE status = 'running'`,
    )
    .all()
  if (open.length === 0) return [fine('No run is open')]
  if (!running)
    return [note(`${open.length} runs were cut off; they go on when the server starts: ${some(open.map(({ id }) => id))}`)]
  const lost = open.flatMap(({ id, held }) => (held ? [] : [id]))
  if (lost.length > 0) return [trouble(`${lost.length} runs are open, and nobody works on them: ${some(lost)}`)]
  return [fine(`${open.length} runs are at work`)]
}

/** A lock of a run that has ended would keep its group busy for ever. */
function locks(db: Database.Database, { mend }: Situation): Finding[] {
  const where = `run_id NOT IN (SELECT id FROM runs WHERE status IN ('created', 'running'))`
  const targets = db.prepare<[], string>(`SELECT target FROM busy WHERE ${where}`).pluck().all()
  if (targets.length === 0) return [fine('Nobody is kept busy by a run that has ended')]
  const text = `${targets.length} are kept busy by runs that have ended: ${some(targets)}`
  if (!mend) return [trouble(text)]
  db.prepare(`DELETE FROM busy WHERE ${where}`).run()
  return [{ level: 'mended', text: `${text}. They are free now` }]
}

/** The stored frames of every run are 1, 2, 3 … in a row; those of a run that has ended have an end. */
function streams(db: Database.Database): Finding[] {
  const torn = db
    .prepare<[], string>(
      `SELECT DISTINCT r.id FROM (
         SELECT run, first, lag(last, 1, 0) OVER (PARTITION BY run ORDER BY first) AS before FROM segments
       ) s JOIN runs r ON r.seq = s.run WHERE s.first <> s.before + 1`,
    )
    .pluck()
    .all()
  const endless = db
    .prepare<[], string>(
      `SELECT id FROM runs r WHERE status NOT IN ('created', 'running')
         AND EXISTS (SELECT 1 FROM segments WHERE run = r.seq) AND NOT EXISTS (SELECT 1 FROM segments WHERE run = r.seq AND final = 1)`,
    )
    .pluck()
    .all()
  if (torn.length + endless.length === 0) return [fine('The streams of all runs are whole')]
  return [
    ...(torn.length > 0 ? [trouble(`Frames are missing from the streams of ${torn.length} runs: ${some(torn)}`)] : []),
    ...(endless.length > 0 ? [trouble(`The streams of ${endless.length} runs have no end: ${some(endless)}`)] : []),
  ]
}

const some = (ids: string[]) => [...ids.slice(0, 5), ...(ids.length > 5 ? ['…'] : [])].join(', ')

/** The lock that a server holds on its file; undefined when one does. */
function lockOf(path: string): Database.Database | undefined {
  let lock: Database.Database | undefined
  try {
    lock = new Database(`${path}.lock`, { timeout: 0 })
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch {
    lock?.close()
    return undefined
  }
}
