import type { ServerResponse } from 'node:http'
import { Overloaded, TooMany } from '../errors.ts'
import type { Identity } from './keyring.ts'

export interface CrowdLimits {
  total: number
  perTenant: number
  perKey: number
}

/**
 * How many requests are open at once: in all, by tenant, by key. A reader of a stream is one that stays open, so this is what
 * bounds readers (faults.md F97), before a run is begun for them.
 */
export class Crowd {
  readonly #limits: CrowdLimits
  readonly #open = new Map<string, number>()
  #total = 0

  constructor(limits: CrowdLimits) {
    this.#limits = limits
  }

  /** Counts this request until its answer is through, or its connection is gone. @throws {TooMany} {Overloaded} */
  enter({ tenant, key }: Identity, answer: ServerResponse): void {
    const { total, perTenant, perKey } = this.#limits
    if (this.#total >= total) throw new Overloaded(`${total} requests are open`)
    this.#refuse(tenant, 'tenant', perTenant)
    if (key) this.#refuse(key.id, 'key', perKey)
    const names = key ? [tenant, key.id] : [tenant]
    this.#total++
    for (const name of names) this.#open.set(name, (this.#open.get(name) ?? 0) + 1)
    answer.once('close', () => {
      this.#total--
      for (const name of names) {
        const left = this.#open.get(name)! - 1
        if (left > 0) this.#open.set(name, left)
        else this.#open.delete(name)
      }
    })
  }

  #refuse(name: string, noun: string, limit: number) {
    if ((this.#open.get(name) ?? 0) < limit) return
    throw new TooMany(`This ${noun} has ${limit} requests open`, {
      limit,
      resetMs: 1000,
      retryable: true,
    })
  }
}
