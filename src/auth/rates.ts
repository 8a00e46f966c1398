import { TooMany } from '../errors.ts'
import type { UsedKey } from './keyring.ts'

const MINUTE_MS = 60_000

/** How many requests each key has made in its minute (faults.md F97). In memory: a restart gives everybody a new minute. */
export class Rates {
  readonly #perMinute: number
  readonly #minutes = new Map<string, { until: number; count: number }>()

  /** @param perMinute for keys that have no number of their own */
  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** @throws {TooMany} */
  count({ id, name, requestsPerMinute }: UsedKey): void {
    const limit = requestsPerMinute ?? this.#perMinute
    const now = performance.now()
    let minute = this.#minutes.get(id)
    if (!minute || minute.until <= now) this.#minutes.set(id, (minute = { until: now + MINUTE_MS, count: 0 }))
    if (++minute.count <= limit) return
    throw new TooMany(`The key ${name} may make ${limit} requests in a minute`, {
      limit,
      resetMs: minute.until - now,
      retryable: true,
    })
  }
}
