import Database from 'better-sqlite3'
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { StorageTrouble } from '../errors.ts'
import { logger } from '../logger.ts'
import { LeaseLost } from './lease.ts'
import { reasonOf } from './opening.ts'

export interface WriterOptions {
  /** What a writer waits for a lock that another process holds. */
  busyMs?: number
  /** A full disk is tried again so often, by the first who comes; the others are refused without a try. */
  retryMs?: number
}

/** A lock that somebody else holds is tried again so often. */
const BUSY_RETRY_MS = 20
/** The write-ahead log is looked at after so many transactions, and put into the file when it has so many pages. */
const LOOK_EVERY = 16
const CHECKPOINT_PAGES = 1000
/** With so many it is put there at once, though the disk has not got them yet. */
const URGENT_PAGES = 1750
/** It may stay that large on the disk; what a long reader made it grow beyond is given back. */
const WAL_LIMIT_BYTES = 16 * 1024 * 1024

/**
 * The one writer of a file, and what is known of the file's health. Nothing here blocks the process for a lock. SQLite's own
 * checkpoints are off: they swallow the errors of the disk, and after a failed fsync nothing that was written is certain.
 */
export class Writer {
  readonly #raw: Database.Database
  readonly #path: string
  readonly #options: Required<WriterOptions>
  readonly #transaction: (work: () => unknown) => unknown
  readonly #check: () => void
  readonly #failure = new AbortController()
  readonly #files: Map<string, string>
  readonly #walPages
  readonly #checkpoint
  #trouble: StorageTrouble | undefined
  #probeAt = 0
  #reported = false
  #writes = 0
  #seenWrites = 0
  #syncing = false

  /** @param check throws {LeaseLost} when another process has taken over */
  constructor(raw: Database.Database, path: string, check: () => void, options: WriterOptions = {}) {
    raw.pragma('busy_timeout = 0')
    raw.pragma('wal_autocheckpoint = 0')
    raw.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`)
    this.#raw = raw
    this.#path = path
    this.#check = check
    this.#options = { busyMs: 5000, retryMs: 1000, ...options }
    this.#transaction = raw.transaction((work: () => unknown) => {
      check()
      return work()
    }).immediate
    this.#walPages = raw.prepare<[], { log: number; checkpointed: number }>('PRAGMA wal_checkpoint(NOOP)')
    this.#checkpoint = raw.prepare('PRAGMA wal_checkpoint(PASSIVE)')
    this.#files = new Map(path === ':memory:' ? [] : [path, `${path}-wal`].map((file) => [file, identityOf(file)!]))
  }

  /** Aborts when the file is gone or cannot be trusted any more: nothing is written then. The reason is the operator's line. */
  get failed(): AbortSignal {
    return this.#failure.signal
  }

  get walBytes(): number {
    return statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  }

  /**
   * All of `work` or nothing of it, at once; only a lock of another process is waited for. Immediate: a transaction that reads
   * first and writes later would fail when another one committed between the two (faults.md §9.5).
   *
   * @throws {StorageTrouble} when nothing was stored; what `work` throws
   */
  readonly write = <T>(work: () => Settled<T>): Promise<T> => this.#insist<T>(() => this.#transaction(work))

  /** Like `write`, for a single statement that checks the lease itself: it is a transaction as it stands, and a cheaper one. */
  readonly writeOne = <T>(statement: () => Settled<T>): Promise<T> => this.#insist<T>(statement)

  async #insist<T>(write: () => unknown): Promise<T> {
    for (let until: number | undefined; ;) {
      try {
        return this.#attempt(write) as T
      } catch (cause) {
        const error = this.judge(cause)
        until ??= performance.now() + this.#options.busyMs
        if (!(error instanceof StorageTrouble && error.kind === 'busy') || performance.now() >= until) throw error
        await sleep(BUSY_RETRY_MS)
      }
    }
  }

  /** Hears what an error says of the file's health. @returns how the rest of the house knows it */
  judge(error: unknown): unknown {
    if (error instanceof LeaseLost) return this.#fail(`Another process has taken over the database ${this.#path}`, error)
    // Drizzle wraps it, with the statement.
    const known = error instanceof Error && error.cause instanceof Database.SqliteError ? error.cause : error
    if (!(known instanceof Database.SqliteError)) return error
    const kind = kindOf(known.code, this.#path)
    if (!kind) return error
    if (kind === 'failed') return this.#fail(`The database ${this.#path} has failed (${known.code}: ${known.message})`, error)
    this.#trouble = new StorageTrouble(kind, error)
    this.#probeAt = performance.now() + (kind === 'busy' ? BUSY_RETRY_MS : this.#options.retryMs)
    if (kind === 'full' && !this.#reported) {
      this.#reported = true
      logger.error({ code: known.code }, 'Storage takes no more data: new work is refused, runs wait')
    }
    return this.#trouble
  }

  /** True when a write would go through. In trouble a real one is made: page 1, as it is. @throws {StorageTrouble} */
  async ready(): Promise<boolean> {
    if (!this.#raw.open) return false
    const version = this.#trouble && (this.#raw.pragma('user_version', { simple: true }) as number)
    await this.write(() => void (version !== undefined && this.#raw.pragma(`user_version = ${version}`)))
    return true
  }

  /**
   * Once in a while: is the file still the one that was opened, and ours? While nobody writes the log is put into it.
   *
   * @returns true when nobody has written since the last time
   */
  upkeep(): boolean {
    if (this.failed.aborted) return false
    for (const [file, identity] of this.#files) {
      if (identityOf(file) === identity) continue
      this.#fail(`${file} was deleted or replaced while it was in use`)
      return false
    }
    const idle = this.#writes === this.#seenWrites
    this.#seenWrites = this.#writes
    if (!idle || this.#trouble) return false
    try {
      // Who writes finds it out; who only waits must not go on serving what another process works on.
      this.#check()
      const { log, checkpointed } = this.#walPages.get()!
      if (this.walBytes > WAL_LIMIT_BYTES) this.#raw.pragma('wal_checkpoint(TRUNCATE)')
      else if (log > checkpointed) void this.#syncAndCheckpoint()
    } catch (error) {
      this.judge(error)
    }
    return true
  }

  #attempt(write: () => unknown): unknown {
    if (this.failed.aborted) throw new StorageTrouble('failed', this.failed.reason)
    if (this.#trouble && performance.now() < this.#probeAt) throw this.#trouble
    // Before and not after: when it fails, nothing has been promised.
    if (++this.#writes % LOOK_EVERY === 0) this.#lookAtLog()
    const result = write()
    if (this.#trouble) this.#recover()
    return result
  }

  #lookAtLog() {
    const { log } = this.#walPages.get()!
    if (log >= URGENT_PAGES) this.#putLogIntoFile()
    else if (log >= CHECKPOINT_PAGES) void this.#syncAndCheckpoint()
  }

  /** Most of what a checkpoint takes is to wait until the disk has the log: another thread does that, and SQLite finds it done. */
  async #syncAndCheckpoint(): Promise<void> {
    if (this.#syncing) return
    this.#syncing = true
    const failure = await sync(`${this.#path}-wal`)
    this.#syncing = false
    if (this.failed.aborted || !this.#raw.open) return
    try {
      this.#putLogIntoFile()
    } catch (error) {
      this.judge(error)
    }
    // The system says it to all who have the file open, so SQLite has heard of it by now; should it not, this is enough.
    if (failure !== undefined) this.#fail(`The database ${this.#path} has failed (${reasonOf(failure)})`, failure)
  }

  #putLogIntoFile() {
    try {
      this.#checkpoint.get()
    } catch (error) {
      // A full disk leaves it where it is; whether it takes more is the next write's to find out.
      if (!(error instanceof Database.SqliteError) || kindOf(error.code, this.#path) === 'failed') throw error
    }
  }

  #recover() {
    this.#trouble = undefined
    if (this.#reported) logger.warn('Storage takes data again')
    this.#reported = false
  }

  #fail(what: string, cause?: unknown): StorageTrouble {
    if (!this.failed.aborted) this.#failure.abort(new Error(`${what}: nothing more is written`, { cause }))
    return (this.#trouble = new StorageTrouble('failed', this.failed.reason))
  }
}

/** What may be the result of a transaction: a promise would go on when the transaction is over. */
export type Settled<T> = T extends PromiseLike<unknown> ? never : T

/** Failures of the file, not of the statement. */
function kindOf(code: string, path: string): StorageTrouble['kind'] | undefined {
  // What cannot be opened are files beside it, when this process has too many open.
  if (/^SQLITE_(BUSY|LOCKED|CANTOPEN|PROTOCOL)/.test(code)) return 'busy'
  if (/^SQLITE_(FULL|READONLY|IOERR_SHMSIZE)$/.test(code)) return 'full'
  if (code === 'SQLITE_IOERR_WRITE') return diskIsBroken(path) ? 'failed' : 'full'
  return /^SQLITE_(IOERR|CORRUPT|NOTADB|READONLY_)/.test(code) ? 'failed' : undefined
}

/** SQLite does not say why a write failed. A limit, a quota or a read-only disk may pass; one that is broken says so again. */
function diskIsBroken(path: string): boolean {
  const probe = `${path}.probe`
  try {
    const file = openSync(probe, 'w')
    try {
      writeSync(file, 'probe', 0)
    } finally {
      closeSync(file)
      rmSync(probe, { force: true })
    }
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EIO'
  }
}

/** @returns what the disk answered, if it failed; where no file can be opened any more nothing is done */
async function sync(path: string): Promise<unknown> {
  const file = await open(path).catch(() => undefined)
  try {
    await file?.sync()
    return undefined
  } catch (error) {
    return error
  } finally {
    await file?.close()
  }
}

function identityOf(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat && `${stat.dev}:${stat.ino}`
}
