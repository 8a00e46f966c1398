import { setTimeout as sleep } from 'node:timers/promises'
import { ProviderError } from '../llm/errors.ts'
import type { StepRetries } from './journal.ts'

const BACKOFF_MS = 500
/** A provider that wants us to wait for longer is not waited for. */
const LONGEST_WAIT_MS = 20_000

/** A model that was cut off in the middle of its answer is asked again, `limit` times at most; so is no other failure. */
export const stepRetries = (limit: number, signal: AbortSignal, jitter = Math.random): StepRetries => ({
  waitMs(failure, retries) {
    if (!(failure instanceof ProviderError) || !failure.transient || retries >= limit) return undefined
    const waitMs = Math.max(BACKOFF_MS * 2 ** retries * (1 + jitter() / 2), failure.retryAfterMs ?? 0)
    return waitMs > LONGEST_WAIT_MS ? undefined : waitMs
  },
  async wait(ms) {
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
  },
})
