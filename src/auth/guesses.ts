import { TooMany } from '../errors.ts'

/** What is remembered of addresses at most: who has more of them loses the oldest. */
const REMEMBERED = 10_000

const MINUTE_MS = 60_000

/**
 * Slows down who tries keys (faults.md F84): after some wrong ones in a minute nothing from that address is looked at until the
 * minute is over, but keys that were right there before. So one who guesses shuts out himself, and not those who share his
 * address.
 */
export class Guesses {
  readonly #perMinute: number
  readonly #wrong = new Map<string, { until: number; count: number }>()
  readonly #right = new Set<string>()

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** @throws {TooMany} when this key must not even be looked at now */
  refuse(address: string, hash: string): void {
    const wrong = this.#wrong.get(networkOf(address))
    if (!wrong || wrong.count < this.#perMinute || this.#right.has(`${address} ${hash}`)) return
    const resetMs = wrong.until - performance.now()
    if (resetMs <= 0) return
    throw new TooMany('Too many wrong keys came from this address', { limit: this.#perMinute, resetMs, retryable: false })
  }

  wasWrong(address: string): void {
    const network = networkOf(address)
    const now = performance.now()
    const before = this.#wrong.get(network)
    this.#wrong.delete(network)
    this.#wrong.set(
      network,
      before && before.until > now ? { ...before, count: before.count + 1 } : { until: now + MINUTE_MS, count: 1 },
    )
    if (this.#wrong.size > REMEMBERED) this.#wrong.delete(this.#wrong.keys().next().value!)
  }

  wasRight(address: string, hash: string): void {
    this.#right.add(`${address} ${hash}`)
    if (this.#right.size > REMEMBERED) this.#right.delete(this.#right.values().next().value!)
  }
}

/** One who has an IPv6 address has 2^64 of them. */
const networkOf = (address: string): string =>
  address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address
