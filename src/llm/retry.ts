import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from './errors.ts'

export interface RetryOptions {
  /** The wait before each further try; as many tries as there are waits. */
  backoffMs?: readonly number[]
  /** What is added at random, as a share of the wait. */
  jitter?: () => number
  /** A provider that wants us to wait for longer is not waited for. */
  longestWaitMs?: number
}

/**
 * Calls `open` until it works, the failure is not a passing one, or the tries are used up. `open` resolves with an answer
 * whose first delta is there, so nothing that was shown to anybody is ever asked for again.
 *
 * @throws what the last try threw, or the reason of `signal` when it aborts a wait
 */
export async function retry<T>(open: () => Promise<T>, signal: AbortSignal, options: RetryOptions = {}): Promise<T> {
  const { backoffMs = [500, 1000], jitter = () => Math.random() / 2, longestWaitMs = 20_000 } = options
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    try {
      return await open()
    } catch (error) {
      signal.throwIfAborted()
      const wait = backoffMs[tries]
      if (!(error instanceof ProviderError) || !error.transient || wait === undefined) throw error
      const waitMs = Math.max(wait * (1 + jitter()), error.retryAfterMs ?? 0)
      if (waitMs > longestWaitMs) throw error
      await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}
