import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'
import { logger } from './logger.ts'

/** Where a process sees its own threads, on Linux. */
const THREADS = '/proc/self/task'

/**
 * Below the event loop: a quarter of a core that both want. With less, a collection takes so long that the heap outgrows it; with
 * much less, the loop waits for a thread that gets no time where another process wants the core, too.
 */
const BELOW = 5

/**
 * V8's own threads, which do most of a collection of the whole heap, give way to the event loop: else a token is late by as
 * long as they take, some 100 ms where there is one core (docs/performance.md).
 */
export function tameCollector(): void {
  if (process.platform !== 'linux') return
  try {
    const priority = Math.min(getPriority() + BELOW, constants.priority.PRIORITY_LOW)
    for (const thread of readdirSync(THREADS)) {
      if (readFileSync(`${THREADS}/${thread}/comm`, 'utf8') === 'V8Worker\n') setPriority(Number(thread), priority)
    }
  } catch (error) {
    logger.debug({ err: error }, "The priority of V8's threads could not be changed")
  }
}
