import { setTimeout as sleep } from 'node:timers/promises'
import { StorageTrouble } from '../errors.ts'
import { logger } from '../logger.ts'

export interface QueueOptions {
  /** How long to wait before a disk that took nothing is tried again. */
  retryMs: number
  /** How long what may be refused waits for its turn. */
  turnMs: number
}

const NEVER_MS = 2 ** 31 - 1

/**
 * One write after the other. What was accepted is kept: a full or locked disk is waited for, and the order stays as it is
 * (faults.md P15). What is new need not wait for that: it is refused.
 */
export class WriteQueue {
  readonly #options: QueueOptions
  readonly #impatient = new Set<(trouble: StorageTrouble) => void>()
  readonly #givenUp = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  /** What the write at the head waits for. */
  #trouble: StorageTrouble | undefined

  constructor(options: QueueOptions) {
    this.#options = options
  }

  /** What was accepted. */
  add<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** What is new. @throws {StorageTrouble} without having begun: at once while the disk is full, or when its turn does not come */
  async offer<T>(work: () => Promise<T>): Promise<T> {
    const turn = Promise.withResolvers<boolean>()
    const refuse = (trouble: StorageTrouble) => turn.reject(trouble)
    this.#impatient.add(refuse)
    const late = setTimeout(() => refuse(new StorageTrouble('busy', this.#trouble)), this.#options.turnMs)
    let over = false
    const done = this.add(async () => {
      if (over) return undefined
      over = true
      turn.resolve(true)
      return { value: await work() }
    })
    done.catch(() => {})
    try {
      if (this.#trouble && this.#trouble.kind !== 'busy') throw this.#trouble
      await turn.promise
    } finally {
      over = true
      this.#impatient.delete(refuse)
      clearTimeout(late)
    }
    return (await done)!.value
  }

  /** Waits for something that does not come while the disk is full. @throws {StorageTrouble} as soon as it is */
  async unlessStuck<T>(wanted: Promise<T>): Promise<T> {
    const stuck = Promise.withResolvers<never>()
    this.#impatient.add(stuck.reject)
    try {
      if (this.#trouble && this.#trouble.kind !== 'busy') throw this.#trouble
      return await Promise.race([wanted, stuck.promise])
    } finally {
      this.#impatient.delete(stuck.reject)
    }
  }

  /** Tries until storage takes it; one that has failed for good is not tried again. For the one at the head. */
  async patiently<T>(work: () => Promise<T>, passes: (error: unknown) => boolean = isTrouble): Promise<T> {
    for (;;) {
      try {
        const done = await work()
        this.#trouble = undefined
        return done
      } catch (error) {
        if (!passes(error) || this.#givenUp.signal.aborted) throw error
        if (error instanceof StorageTrouble) this.#wait(error)
        else logger.error({ err: error }, 'The event log cannot be written; it is tried again')
        const pause = this.#trouble?.kind === 'failed' ? NEVER_MS : this.#options.retryMs
        await sleep(pause, undefined, { signal: this.#givenUp.signal }).catch(() => {})
      }
    }
  }

  /** Whoever waits for storage waits no more. */
  giveUp(): void {
    this.#givenUp.abort()
  }

  #wait(trouble: StorageTrouble) {
    this.#trouble = trouble
    if (trouble.kind !== 'busy') for (const refuse of this.#impatient) refuse(trouble)
  }
}

const isTrouble = (error: unknown) => error instanceof StorageTrouble
