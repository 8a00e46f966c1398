/**
 * Says "this run has grown", or "this group has a new run", to whoever waits for it. In-process today; a second node would ring it
 * through the store. A run goes by its number, a group by its id.
 */
export class Wake {
  readonly #watchers = new Map<number | string, Set<Growth>>()

  /** From now on every ring for `what` reaches the watcher, whether it is waiting or not. Close it when done. */
  watch(what: number | string, silenceMs: number, signal: AbortSignal): Growth {
    let watchers = this.#watchers.get(what)
    if (!watchers) this.#watchers.set(what, (watchers = new Set()))
    const growth = new Growth(silenceMs, signal, () => {
      watchers.delete(growth)
      if (watchers.size === 0 && this.#watchers.get(what) === watchers) this.#watchers.delete(what)
    })
    watchers.add(growth)
    return growth
  }

  ring(what: number | string): void {
    const watchers = this.#watchers.get(what)
    if (watchers) for (const growth of watchers) growth.ring()
  }
}

/** One reader's ear. A bell that rang while nobody waited is heard at the next wait. */
export class Growth {
  #rung = false
  #answer: ((grown: boolean) => void) | undefined
  #silence: NodeJS.Timeout | undefined
  readonly #silenceMs: number
  readonly #signal: AbortSignal
  readonly #onClose: () => void

  constructor(silenceMs: number, signal: AbortSignal, onClose: () => void) {
    this.#silenceMs = silenceMs
    this.#signal = signal
    this.#onClose = onClose
    signal.addEventListener('abort', this.#giveUp, { once: true })
  }

  /** Resolves true when the bell has rung, false after `silenceMs` without or when the signal aborts. */
  next(): Promise<boolean> {
    if (this.#rung || this.#signal.aborted) {
      const grown = this.#rung
      this.#rung = false
      return Promise.resolve(grown)
    }
    // One timer for the watcher's whole life: refreshing it is cheaper than a new one for each token.
    if (this.#silence) this.#silence.refresh()
    else this.#silence = setTimeout(this.#giveUp, this.#silenceMs)
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  ring(): void {
    if (this.#answer) this.#settle(true)
    else this.#rung = true
  }

  close(): void {
    clearTimeout(this.#silence)
    this.#signal.removeEventListener('abort', this.#giveUp)
    this.#settle(false)
    this.#onClose()
  }

  readonly #giveUp = () => this.#settle(false)

  #settle(grown: boolean) {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(grown)
  }
}
