import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { logger } from './logger.ts'

/** Where a process sees its own threads, on Linux. */
const THREADS = '/proc/self/task'

/** Below the event loop: a tenth of its share of a core that both want, and enough to get on where others want it, too. */
const BELOW = 10
const LOWEST = 19

/**
 * Collections of the whole heap come half as often, and V8's own threads, which do most of their work, give way to the event loop:
 * else a token is late by as long as one takes, some 100 ms where there is one core (docs/performance.md).
 */
export function tameCollector(): void {
  setFlagsFromString('--heap-growing-percent=100')
  if (process.platform !== 'linux') return
  try {
    const priority = Math.min(getPriority() + BELOW, LOWEST)
    for (const thread of readdirSync(THREADS)) {
      if (readFileSync(`${THREADS}/${thread}/comm`, 'utf8') === 'V8Worker\n') setPriority(Number(thread), priority)
    }
  } catch (error) {
    logger.debug({ err: error }, "The priority of V8's threads could not be changed")
  }
}
