import Database from 'better-sqlite3'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { randomInt } from 'node:crypto'
import { basename, dirname, join } from 'node:path'

/** After a crash a file up to this size is checked before it is used; a GB takes a quarter of a second from the page cache. */
const CHECKED_BYTES = 1024 * 1024 * 1024

/** Another process has the file. */
export class InUse extends Error {}

/** A file that is open, and the lock that keeps others from it. */
export interface OpenFile {
  raw: Database.Database
  owner: Database.Database | undefined
}

/**
 * Opens a database file, makes it if it is missing, and takes it for this process alone.
 *
 * @throws {Error} with one clear line that names the file: it is in use, damaged, out of reach, or no database
 */
export function openFile(path: string): OpenFile {
  if (path === ':memory:') return { raw: new Database(path), owner: undefined }
  makeFolder(path)
  const owner = own(path)
  try {
    const crashed = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
    if (crashed) {
      refuseForeignWal(path)
      check(path)
    }
    return { raw: open(path), owner }
  } catch (error) {
    owner.close()
    throw error
  }
}

/** What SQLite says of a damaged file, with the way back. */
export const damaged = (path: string, reason: string): Error => {
  const backup = newestBackup(path)
  return new Error(
    `${path} is damaged (${reason}): ${backup ? `restore it, the newest backup beside it is ${backup}` : 'restore it from a backup'}`,
  )
}

/** Gives a new database a number of its own, by which its log is known. Once its tables are there. */
export function nameFile(raw: Database.Database): void {
  if (raw.pragma('user_version', { simple: true }) !== 0) return
  raw.pragma(`user_version = ${randomInt(1, 2 ** 31 - 1)}`)
  raw.pragma('wal_checkpoint(TRUNCATE)')
}

export const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

function makeFolder(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (cause) {
    throw new Error(`Cannot make the folder of the database ${path}: ${reasonOf(cause)}`, { cause })
  }
}

/** A lock that dies with the process: two servers on one file would end each other's runs. */
function own(path: string): Database.Database {
  let owner: Database.Database | undefined
  try {
    owner = new Database(`${path}.lock`, { timeout: 0 })
    owner.exec('BEGIN EXCLUSIVE')
    return owner
  } catch (cause) {
    owner?.close()
    if (!(cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY'))) {
      throw new Error(`Cannot lock the database ${path} (${path}.lock): ${reasonOf(cause)}`, { cause })
    }
    throw new InUse(`${path} is in use by another Roundtable: stop it, or set DATABASE_URL to another file`, { cause })
  }
}

function open(path: string): Database.Database {
  try {
    const raw = new Database(path)
    raw.pragma('journal_mode = WAL')
    return raw
  } catch (cause) {
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_CORRUPT')) throw damaged(path, cause.message)
    throw new Error(`Cannot open the database ${path}: ${reasonOf(cause)}`, { cause })
  }
}

/**
 * The process that had it open last did not close it: a crash of the machine may have left half-written pages. Read-only, because
 * closing it otherwise would put the log into a damaged file, and leave no trace of the crash for the next start.
 */
function check(path: string) {
  if (statSync(path).size > CHECKED_BYTES) return
  let found: unknown
  try {
    const raw = new Database(path, { readonly: true })
    try {
      found = raw.pragma('quick_check(1)', { simple: true })
    } finally {
      raw.close()
    }
  } catch (error) {
    found = reasonOf(error)
  }
  if (found !== 'ok') throw damaged(path, String(found).replaceAll('\n', ' '))
}

function newestBackup(path: string): string | undefined {
  const folder = dirname(path)
  const names = readdirSync(folder).filter((name) => name.startsWith(basename(path)) && name.endsWith('.backup'))
  const files = names.map((name) => join(folder, name))
  return files.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]
}

/**
 * SQLite plays any log that lies beside the file, also one that was copied from elsewhere. Both carry the database's number
 * (`user_version`, sqlite.org/fileformat2.html §1.3): the file in its header, the log where it holds page 1.
 */
function refuseForeignWal(path: string) {
  if (!existsSync(path))
    throw new Error(`${path} is missing, but its log ${path}-wal is there: put back both, or move the log away`)
  const [named, logged] = [nameIn(path), nameInWal(`${path}-wal`)]
  if (named === 0 || logged === undefined || logged === named) return
  throw new Error(`${path}-wal belongs to another database than ${path}: put back the two that were copied together`)
}

const NAME_AT = 60

function nameIn(path: string): number {
  return reading(path, (read) => read(0, 100)?.readUInt32BE(NAME_AT) ?? 0)
}

/** In the last page 1 of the log; frames that an earlier round left behind have other salts (§4.1). */
function nameInWal(path: string): number | undefined {
  return reading(path, (read) => {
    const head = read(0, 32)
    if (!head) return undefined
    const pageSize = head.readUInt32BE(8)
    let found: number | undefined
    for (let at = 32; ; at += 24 + pageSize) {
      const frame = read(at, 24 + 100)
      if (!frame || !frame.subarray(8, 16).equals(head.subarray(16, 24))) return found
      if (frame.readUInt32BE(0) === 1) found = frame.readUInt32BE(24 + NAME_AT)
    }
  })
}

function reading<T>(path: string, work: (read: (at: number, length: number) => Buffer | undefined) => T): T {
  const file = openSync(path, 'r')
  try {
    return work((at, length) => {
      const bytes = Buffer.alloc(length)
      return readSync(file, bytes, 0, length, at) === length ? bytes : undefined
    })
  } finally {
    closeSync(file)
  }
}
