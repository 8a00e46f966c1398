import type { Frames, LogRow, NewFrames, Segment } from '../db/store.ts'
import type { Frame } from '../wire/message.ts'
import { Encoder } from './encoder.ts'
import { LiveRun } from './live-run.ts'
import { endOfPacked, Unpacker } from './packed.ts'
import type { Page } from './page.ts'
import { WriteQueue } from './queue.ts'
import { SealedFrames } from './sealed.ts'
import { Wake } from './wake.ts'

/** Is told of each group commit: how many frames, how long the store took, and since when the oldest of them waited. */
export type CommitWatcher = (frames: number, commitMs: number, waitedMs: number) => void

export interface RunLogOptions {
  onCommit?: CommitWatcher
  /**
   * A group commit comes at the end of the event-loop turn when the last one is this old, else when it is (performance.md §1); and
   * within the turn when it is so long that a frame has waited this long. After the first word of a step it comes at the end of
   * the turn: whoever has waited for the model does not wait for the others as well.
   */
  flushMs?: number
  /** A live run's frames move to a segment when they are this many. */
  segmentChars?: number
  /** No log row stays longer than this many commits because of one slow run. */
  maxPinnedRows?: number
  /** Rows of the log's head that nobody needs any more go so many at a time: a few cost as much. */
  trimRows?: number
  /** A writer waits when this many of its frames are not committed yet. */
  maxPending?: number
  /** How long to wait when the disk takes nothing. */
  retryMs?: number
  /** How long a new run waits for its turn. */
  turnMs?: number
}

/**
 * The event log. Keeps, for every run (streaming.md §A.1):
 * I1 frames are numbered 1, 2, 3 …; I2 no reader sees a frame before it is committed; I3 every reader gets the same bytes;
 * I4 nothing comes after the final frame; I5 it is committed with the run's end. All writes go through one queue: two
 * writers at once, or a frame in memory that was not stored first, would break them.
 */
export class RunLog {
  readonly #frames: Frames
  readonly #wake = new Wake()
  readonly #live = new Map<number, LiveRun>()
  /** Those that the next group commit looks at. */
  #growing: LiveRun[] = []
  /** Live runs with unsealed frames; the one that has pinned the log longest is first. */
  readonly #pinning = new Set<LiveRun>()
  readonly #options: Required<RunLogOptions>
  readonly #queue: WriteQueue
  readonly #sealed: SealedFrames
  #flushing: Promise<void> | undefined
  #flushedAt = 0
  /** Since when the oldest frame waits that no group commit has looked at, and what ends its wait. */
  #waitsSince = 0
  #endWait = () => {}
  #lastLogId = 0
  #trimmedTo = 0

  constructor(frames: Frames, options: RunLogOptions = {}) {
    this.#frames = frames
    this.#sealed = new SealedFrames(frames)
    this.#options = {
      flushMs: 2,
      segmentChars: 256 * 1024,
      maxPinnedRows: 4096,
      trimRows: 256,
      maxPending: 1024,
      retryMs: 1000,
      turnMs: 5000,
      onCommit: () => {},
      ...options,
    }
    this.#queue = new WriteQueue(this.#options)
  }

  /**
   * Makes a run live with its first frames; `admit` stores them with the run.
   *
   * @throws {StorageTrouble} at once while the disk is full, and when its turn does not come in time; whatever `admit` throws.
   *   Nothing was stored then
   */
  async begin(messages: Frame[], admit: (frames: string[]) => Promise<{ seq: number; logId: number }>): Promise<number> {
    const encoder = new Encoder()
    const frames = messages.map((message, index) => encoder.encode(message, index + 1).text)
    return await this.#queue.offer(async () => {
      const { seq, logId } = await admit(frames)
      const run = this.#adopt(seq, 0)
      run.restore(frames, logId)
      this.#shown(run, logId)
      return seq
    })
  }

  /** A run that has begun nowhere yet: whoever reads it waits. */
  expect(number: number): void {
    if (!this.#live.has(number)) this.#adopt(number, 0)
  }

  /**
   * Appends to a run, in order. What is appended becomes visible with the next group commit.
   *
   * @returns a promise when the writer should wait for that commit before it goes on
   */
  append(number: number, messages: Frame[]): Promise<void> | undefined {
    const run = this.#running(number)
    run.add(messages)
    if (!run.growing) {
      run.growing = true
      this.#growing.push(run)
    }
    if (run.silent) {
      run.silent = false
      setImmediate(() => this.#endWait())
    }
    if (!this.#flushing) {
      this.#flushing = this.#flushSoon()
      this.#flushing.catch(() => {}) // Given up: what was pending is pending again.
    } else if (performance.now() - this.#waitsSince >= this.#options.flushMs) this.#endWait()
    return run.pending > this.#options.maxPending ? this.#flushing : undefined
  }

  /** Appends `messages` and stores them, with all that is pending, in the transaction of `store`. */
  async commit(number: number, messages: Frame[], store: (frames: NewFrames | null) => Promise<number>): Promise<void> {
    await this.#queue.add(async () => {
      // Numbered here and not before: a group commit that comes first must not show what this transaction announces.
      const run = this.#running(number)
      run.add(messages)
      const frames = run.pending > 0 ? run.take() : null
      try {
        const logId = await this.#queue.patiently(() => store(frames))
        if (frames) {
          run.committed(logId)
          this.#shown(run, logId)
        }
      } catch (error) {
        run.giveBack()
        throw error
      }
      run.silent = true
      await this.#tidy([run])
    })
  }

  /**
   * Ends a run: its last frames and `[DONE]` are stored in the transaction of `store`, which says false when the run had ended
   * already. Readers get to the end; nothing can be appended any more.
   */
  async end(number: number, messages: Frame[], store: (last: Segment) => Promise<boolean>): Promise<void> {
    await this.#queue.add(async () => {
      const run = this.#running(number)
      // A segment is not to be much longer than others because it is the last.
      if (run.pending > LAST_FRAMES) await this.#flush(performance.now())
      run.add(messages)
      const last = run.end()
      await this.#queue.patiently(() => store(last))
      run.ended()
      this.#pinning.delete(run)
      this.#wake.ring(number)
      this.#live.delete(number)
      await this.#trim()
    })
  }

  /** Resolves when all that was appended so far is committed, or given up. */
  async settled(): Promise<void> {
    await this.#flushing?.catch(() => {})
  }

  /** A page of what is committed above `after`, or undefined when that is nothing yet. What is in memory is there at once. */
  read(number: number, after: number): Page | undefined | Promise<Page> {
    const run = this.#live.get(number)
    return run?.holds(after) ? run.read(after) : this.#sealed.read(number, after)
  }

  /** Where a run's log stands; nothing when its frames are kept no more. */
  async position(number: number): Promise<{ last: number; final: boolean } | undefined> {
    const run = this.#live.get(number)
    if (run) return { last: run.last, final: false }
    const end = await this.#frames.lastSealed(number)
    return end?.final ? end : undefined
  }

  /** Waits for a run's end, but not for a full disk. @throws {StorageTrouble} */
  unlessStuck<T>(wanted: Promise<T>): Promise<T> {
    return this.#queue.unlessStuck(wanted)
  }

  /** Waits no more for a disk that takes nothing: what it has not taken goes on after the next start. For the process's end. */
  giveUp(): void {
    this.#queue.giveUp()
  }

  /** Hears that a run grows, by its number, or that a group has a new run, by the group's id: see {@link Wake.watch}. */
  watch(what: number | string, hear: () => void): () => void {
    return this.#wake.watch(what, hear)
  }

  /** Tells who watches a group that it has a new run, which has begun. */
  announce(group: string): void {
    this.#wake.ring(group)
  }

  /**
   * Takes up, after a restart, what the log's head holds of the given runs. What belongs to others is trimmed away.
   * Call once, before anything else.
   */
  async recover(open: number[]): Promise<void> {
    for (const number of open) {
      const sealed = await this.#frames.lastSealed(number)
      this.#adopt(number, sealed?.last ?? 0)
    }
    const unpackers = new Map(open.map((number) => [number, new Unpacker()]))
    for (const row of await this.#frames.unsealed()) this.#replay(row, unpackers)
    await this.#trim(1)
  }

  #replay(row: LogRow, unpackers: Map<number, Unpacker>) {
    let at = 0
    for (const [number, first, count] of row.runs) {
      const run = this.#live.get(number)
      // What is sealed is not looked at: what it was packed behind may be trimmed.
      if (run && first > run.given) {
        const { frames, end } = unpackers.get(number)!.unpack(row.frames, first, count, at)
        run.restore(frames, row.id)
        this.#shown(run, row.id)
        at = end
      } else at = endOfPacked(row.frames, count, at)
    }
    this.#lastLogId = row.id
  }

  #adopt(number: number, sealed: number): LiveRun {
    const run = new LiveRun(number, sealed, this.#options.segmentChars)
    this.#live.set(number, run)
    return run
  }

  #running(number: number): LiveRun {
    const run = this.#live.get(number)
    if (!run) throw new Error(`run number ${number} is not live`)
    return run
  }

  async #flushSoon(): Promise<void> {
    const since = (this.#waitsSince = performance.now())
    await new Promise<void>((resolve) => {
      this.#endWait = resolve
      setImmediate(() => {
        const wait = this.#options.flushMs - (performance.now() - this.#flushedAt)
        if (wait > 0) setTimeout(resolve, wait)
        else resolve()
      })
    })
    await this.#queue.add(() => this.#flush(since))
  }

  async #flush(since: number) {
    this.#flushing = undefined
    const growing: LiveRun[] = []
    const batch: NewFrames[] = []
    for (const run of this.#growing) {
      run.growing = false
      if (run.pending === 0) continue
      growing.push(run)
      batch.push(run.take())
    }
    this.#growing = []
    if (batch.length === 0) return
    const begunAt = performance.now()
    const logId = await this.#queue
      .patiently(() => this.#frames.appendFrames(batch), always)
      .catch((error: unknown) => {
        for (const run of growing) run.giveBack()
        throw error
      })
    this.#flushedAt = performance.now()
    for (const run of growing) {
      run.committed(logId)
      this.#shown(run, logId)
    }
    const count = batch.reduce((sum, taken) => sum + taken.count, 0)
    this.#options.onCommit(count, this.#flushedAt - begunAt, this.#flushedAt - since)
    await this.#tidy(growing)
  }

  /** Lets readers see what was just stored of a run, in this row of the log. */
  #shown(run: LiveRun, logId: number) {
    this.#lastLogId = Math.max(this.#lastLogId, logId)
    this.#pinning.add(run)
    this.#wake.ring(run.number)
  }

  /** Moves what is long, of these runs, or old, of any, from the log's head to segments; and trims the head. */
  async #tidy(grown: LiveRun[]) {
    const { maxPinnedRows } = this.#options
    const ripe = grown.filter((run) => run.ripe)
    for (const run of this.#pinning) {
      if (run.pinned >= this.#lastLogId - maxPinnedRows) break
      if (!ripe.includes(run)) ripe.push(run)
    }
    if (ripe.length === 0) return
    const segments = ripe.flatMap((run) => run.segments())
    await this.#queue.patiently(() => this.#frames.seal(segments), always)
    for (const run of ripe) {
      run.sealed()
      this.#pinning.delete(run)
    }
    await this.#trim()
  }

  async #trim(atLeast = this.#live.size === 0 ? 1 : this.#options.trimRows) {
    const [oldest] = this.#pinning
    const needed = oldest?.pinned ?? this.#lastLogId + 1
    if (needed < this.#trimmedTo + atLeast) return
    await this.#queue.patiently(() => this.#frames.trimLog(needed), always)
    this.#trimmedTo = needed
  }
}

/** So many frames may come to the last segment with the end. */
const LAST_FRAMES = 64

/** Of what is not a statement's own fault: there is nobody to tell. */
const always = () => true
