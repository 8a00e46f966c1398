/** Tells, again and again, when nothing was heard for so long. What is heard costs a look at the clock, and no timer. */
export class Silence {
  readonly #ms: number
  readonly #tell: () => void
  #heardAt = performance.now()
  #timer: NodeJS.Timeout

  constructor(ms: number, tell: () => void) {
    this.#ms = ms
    this.#tell = tell
    this.#timer = setTimeout(this.#look, ms)
  }

  heard(): void {
    this.#heardAt = performance.now()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  readonly #look = () => {
    const leftMs = Math.ceil(this.#heardAt + this.#ms - performance.now())
    this.#timer = setTimeout(this.#look, leftMs > 0 ? leftMs : this.#ms)
    if (leftMs > 0) return
    this.heard()
    this.#tell()
  }
}
