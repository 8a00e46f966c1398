/**
 * Who waits for whom among the agents of this process. An agent is in one run at a time, and a run ends only when those who
 * speak in it have got what they wait for; so two that wait for each other, over any number of others, would wait for ever. A
 * wait that would close such a circle is not begun.
 */
export class Waits {
  readonly #of = new Map<string, Set<Wait>>()

  begin(waiter: string): Wait {
    const waits = this.#of.get(waiter) ?? new Set()
    this.#of.set(waiter, waits)
    const wait: Wait = {
      for: new Set(),
      reaches: (agents) => this.#reaches(agents, waiter),
      end: () => {
        waits.delete(wait)
        if (waits.size === 0) this.#of.delete(waiter)
      },
    }
    waits.add(wait)
    return wait
  }

  #reaches(agents: Iterable<string>, goal: string): boolean {
    const seen = new Set(agents)
    for (const agent of seen) {
      if (agent === goal) return true
      for (const wait of this.#of.get(agent) ?? []) for (const next of wait.for) seen.add(next)
    }
    return false
  }
}

export interface Wait {
  /** The agents that must come to an end first. */
  for: ReadonlySet<string>
  /** Whether one of these agents is the waiter, or waits for it. */
  reaches(agents: Iterable<string>): boolean
  /** To be called once, when it waits no more. */
  end(): void
}
