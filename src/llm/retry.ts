import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from './errors.ts'
import type { Delta } from './provider.ts'

export interface RetryOptions {
  /** The wait before each further try; as many tries as there are waits. */
  backoffMs?: readonly number[]
  /** What is added at random, as a share of the wait: callers that failed together do not come back together. */
  jitter?: () => number
  /** A provider that wants us to wait for longer is not waited for. */
  longestWaitMs?: number
  /** Resolves after `ms`, or when `signal` aborts. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

/**
 * Calls `open` until it works, the failure is not a passing one, or the tries are used up. `open` resolves with an answer
 * whose first delta is there, so nothing that was shown to anybody is ever asked for again. Each wait is told before it begins.
 *
 * @throws what the last try threw, or the reason of `signal` when it aborts a wait
 */
export async function* retry<T>(
  open: () => Promise<T>,
  signal: AbortSignal,
  { backoffMs = [500, 1000], jitter = () => Math.random() / 2, longestWaitMs = 20_000, wait = waitFor }: RetryOptions = {},
): AsyncGenerator<Delta[], T, void> {
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    try {
      return await open()
    } catch (error) {
      signal.throwIfAborted()
      const backoff = backoffMs[tries]
      if (!(error instanceof ProviderError) || !error.transient || backoff === undefined) throw error
      const leastMs = Math.max(backoff, error.retryAfterMs ?? 0)
      if (leastMs > longestWaitMs) throw error
      const waitMs = Math.round(leastMs + backoff * jitter())
      yield [{ type: 'retrying', attempt: tries + 2, waitMs, reason: error.message }]
      await wait(waitMs, signal)
    }
  }
}

const waitFor = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {})

/** What a generator returns, for whom does not care what it yields. */
export async function finished<T>(steps: AsyncGenerator<unknown, T, void>): Promise<T> {
  for (;;) {
    const { done, value } = await steps.next()
    if (done) return value
  }
}
