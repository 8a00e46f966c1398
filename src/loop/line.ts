import type { RunRow } from '../db/store.ts'
import { RunBusy } from '../errors.ts'
import { targetsOf } from './admission.ts'

/**
 * The runs that wait for somebody to be free: requests that were told to, and background work. They begin in the order in which
 * they came; one that waits holds its place for all whom it needs, so nobody who comes later is first (faults.md F64).
 */
export class Line {
  /** In the order of their numbers. */
  #waiting: RunRow[] = []
  #turn: Promise<unknown> = Promise.resolve()

  get length(): number {
    return this.#waiting.length
  }

  add(run: RunRow): void {
    this.#waiting.push(run)
    this.#waiting.sort((a, b) => a.seq - b.seq)
  }

  /** Those that need one of `targets`. */
  before(targets: string[]): RunRow[] {
    return this.#waiting.filter((run) => targetsOf(run).some((target) => targets.includes(target)))
  }

  /** @throws {RunBusy} when somebody waits for one of `targets` already */
  refuse(targets: string[]): void {
    const [first] = this.before(targets)
    if (first)
      throw new RunBusy(
        targetsOf(first).find((target) => targets.includes(target))!,
        first.id,
      )
  }

  /** Lets each begin that may; `begin` says false for one that has to wait on. */
  async advance(begin: (run: RunRow) => Promise<boolean>): Promise<void> {
    if (this.#waiting.length === 0) return
    await this.#inTurn(async () => {
      const held = new Set<string>()
      for (const run of this.#waiting) {
        const targets = targetsOf(run)
        if (targets.some((target) => held.has(target)) || !(await begin(run))) for (const target of targets) held.add(target)
        else this.#waiting = this.#waiting.filter((other) => other !== run)
      }
    })
  }

  /** Takes a run out; `leave` sees it, if it has not begun. @returns false when it had */
  async leave(runId: string, leave: (run: RunRow) => Promise<void>): Promise<boolean> {
    return await this.#inTurn(async () => {
      const run = this.#waiting.find(({ id }) => id === runId)
      if (!run) return false
      this.#waiting = this.#waiting.filter((other) => other !== run)
      await leave(run)
      return true
    })
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return await done
  }
}
