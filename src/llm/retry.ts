import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from './errors.ts'
import type { Delta, Hear, ModelCall } from './provider.ts'

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

/** What somebody has to say to further tries. */
export interface Trying {
  /** Is told of each wait before it begins. */
  tell?: (retrying: Extract<Delta, { type: 'retrying' }>) => Promise<void> | undefined
  /** True when there shall be none any more. */
  over?: () => boolean
}

/**
 * Calls `ask` until it works, the failure is not a passing one, or the tries are used up.
 *
 * @throws what the last try threw, or the reason of `signal` when it aborts a wait
 */
export async function retry<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  { backoffMs = [500, 1000], jitter = () => Math.random() / 2, longestWaitMs = 20_000, wait = waitFor }: RetryOptions = {},
  { tell, over }: Trying = {},
): Promise<T> {
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const backoff = backoffMs[tries]
      if (!(error instanceof ProviderError) || !error.transient || backoff === undefined || over?.()) throw error
      const leastMs = Math.max(backoff, error.retryAfterMs ?? 0)
      if (leastMs > longestWaitMs) throw error
      const waitMs = Math.round(leastMs + backoff * jitter())
      await tell?.({ type: 'retrying', attempt: tries + 2, waitMs, reason: error.message })
      await wait(waitMs, signal)
    }
  }
}

/**
 * The same for an answer that is heard as it comes: once anything was, it may be shown to somebody and is not asked for again.
 * What was asked is let go then: a conversation is long, and answers come slowly.
 */
export async function retryUnheard(
  ask: (call: ModelCall, hear: Hear) => Promise<void>,
  call: ModelCall,
  hear: Hear,
  options: RetryOptions | undefined,
): Promise<void> {
  let heard = false
  const listening: Hear = (deltas) => {
    if (!heard) {
      heard = true
      call.system = ''
      call.messages = []
      call.tools = []
    }
    return hear(deltas)
  }
  await retry(() => ask(call, listening), call.signal, options, { tell: (retrying) => hear([retrying]), over: () => heard })
}

const waitFor = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {})
