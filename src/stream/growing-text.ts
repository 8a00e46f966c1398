const FIRST_BYTES = 2048

/** The most that one UTF-16 unit can become. */
const mostBytes = { utf8: 3, utf16le: 2 }

/**
 * A text that grows by small pieces. It is kept as bytes, and not as texts: thousands of texts that stay for a while are what makes
 * garbage collection slow.
 */
export class GrowingText {
  readonly #encoding: keyof typeof mostBytes
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0

  /** @param encoding `utf8` is smaller, and only for pieces that do not cut a character in two */
  constructor(encoding: keyof typeof mostBytes) {
    this.#encoding = encoding
  }

  add(piece: string): void {
    const most = this.#length + piece.length * mostBytes[this.#encoding]
    if (most > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, most))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    this.#length += this.#bytes.write(piece, this.#length, this.#encoding)
  }

  toString(): string {
    return this.#bytes.toString(this.#encoding, 0, this.#length)
  }
}
