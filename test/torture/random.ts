/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Dice {
  readonly #random: () => number
  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }
  /** True in that share of all cases. */
  chance(share: number): boolean {
    return this.#random() < share
  }
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!
  }
}
