/** How long a model may take, in ms. */
export interface Timeouts {
  /** From the request to the first token. */
  requestTimeoutMs: number
  /** Of silence once there was one. */
  streamTimeoutMs: number
  /** From the request to the last token. */
  totalTimeoutMs: number
}

/** A model that thinks out of sight says nothing for as long as it thinks: its first token may take as long as any other. */
export const forSilentThinker = (timeouts: Timeouts): Timeouts => ({
  ...timeouts,
  requestTimeoutMs: Math.max(timeouts.requestTimeoutMs, timeouts.streamTimeoutMs),
})

/** The waits of one request (faults.md F36). A token costs a look at the clock: no timer is made for it, or moved. */
export class Deadlines {
  readonly #silenceMs: number
  readonly #onLate: (what: string) => void
  readonly #total: NodeJS.Timeout
  #timer: NodeJS.Timeout
  #speaking = false
  #heardAt = 0
  #paused = false

  /** @param onLate is told what took too long */
  constructor({ requestTimeoutMs, streamTimeoutMs, totalTimeoutMs }: Timeouts, onLate: (what: string) => void) {
    this.#silenceMs = streamTimeoutMs
    this.#onLate = onLate
    this.#timer = this.#alarm(requestTimeoutMs, `no answer within ${requestTimeoutMs} ms`)
    this.#total = setTimeout(() => onLate(`the answer took more than ${totalTimeoutMs} ms`), totalTimeoutMs)
  }

  /** Something came. Before the first token nothing else counts, be it a head or a sign of life. */
  heard(token: boolean): void {
    this.#heardAt = performance.now()
    if (this.#speaking || !token) return
    this.#speaking = true
    clearTimeout(this.#timer)
    this.#listen(this.#silenceMs)
  }

  /** It is not the model that is waited for, but who listens to it. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#heardAt = performance.now()
    clearTimeout(this.#timer)
    this.#listen(this.#silenceMs)
  }

  /** All has come but the end, which is waited for no longer than this. */
  expectEnd(ms: number): void {
    this.stop()
    this.#timer = this.#alarm(ms, `the answer did not end for ${ms} ms`).unref()
  }

  stop(): void {
    this.#paused = false
    clearTimeout(this.#timer)
    clearTimeout(this.#total)
  }

  #listen(ms: number) {
    this.#timer = setTimeout(() => {
      const leftMs = Math.ceil(this.#heardAt + this.#silenceMs - performance.now())
      if (leftMs > 0) this.#listen(leftMs)
      else if (!this.#paused) this.#onLate(`nothing came for ${this.#silenceMs} ms`)
    }, ms)
  }

  #alarm(ms: number, what: string): NodeJS.Timeout {
    return setTimeout(() => {
      if (!this.#paused) this.#onLate(what)
    }, ms)
  }
}
