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
  #timer: NodeJS.Timeout | undefined
  /** What is waited for now, for how long, and since when. */
  #what = ''
  #ms = 0
  #since = 0
  #speaking = false
  #paused = false

  /** @param onLate is told what took too long */
  constructor({ requestTimeoutMs, streamTimeoutMs, totalTimeoutMs }: Timeouts, onLate: (what: string) => void) {
    this.#silenceMs = streamTimeoutMs
    this.#onLate = onLate
    this.#wait(requestTimeoutMs, `no answer within ${requestTimeoutMs} ms`)
    this.#total = setTimeout(() => onLate(`the answer took more than ${totalTimeoutMs} ms`), totalTimeoutMs)
  }

  /** Something came. Before the first token nothing else counts, be it a head or a sign of life. */
  heard(token: boolean): void {
    if (this.#speaking) this.#since = performance.now()
    else if (token) {
      this.#speaking = true
      this.#wait(this.#silenceMs, `nothing came for ${this.#silenceMs} ms`)
    }
  }

  /** It is not the model that is waited for, but who listens to it. */
  pause(): void {
    this.#paused = true
  }

  /** The wait begins anew. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#wait(this.#ms, this.#what)
  }

  /** All has come but the end, which is waited for no longer than this. */
  expectEnd(ms: number): void {
    this.stop()
    this.#wait(ms, `the answer did not end for ${ms} ms`)
    this.#timer?.unref()
  }

  stop(): void {
    this.#paused = false
    clearTimeout(this.#timer)
    clearTimeout(this.#total)
  }

  #wait(ms: number, what: string) {
    clearTimeout(this.#timer)
    this.#ms = ms
    this.#what = what
    this.#since = performance.now()
    this.#timer = setTimeout(this.#look, ms)
  }

  readonly #look = () => {
    if (this.#paused) return
    const leftMs = Math.ceil(this.#since + this.#ms - performance.now())
    if (leftMs > 0) this.#timer = setTimeout(this.#look, leftMs)
    else this.#onLate(this.#what)
  }
}
