/**
 * The text inside a JSON object that is still being written: takes pieces of the object, gives what each adds to the value of
 * `key`. Nothing when the value is no string.
 */
export class SpokenText {
  readonly #key: string
  #json = ''
  /** Where the part of the value begins that has not been given yet; -1 before the value begins, Infinity after it. */
  #at = -1

  constructor(key: string) {
    this.#key = key
  }

  take(piece: string): string {
    this.#json += piece
    if (this.#at === -1) {
      const start = new RegExp(`^\\s*\\{(?:[^"]|"(?:[^"\\\\]|\\\\.)*")*?"${escaped(this.#key)}"\\s*:\\s*"`).exec(this.#json)
      if (!start) return ''
      this.#at = start[0].length
    }
    if (this.#at === Infinity) return ''
    // Whole characters and whole escapes, up to the quote that ends the value.
    const [raw] = /^(?:[^"\\\n]|\\(?:u[0-9a-fA-F]{4}|[^u]))*/.exec(this.#json.slice(this.#at))!
    const end = this.#at + raw.length
    this.#at = this.#json[end] === '"' ? Infinity : end
    return unescaped(raw)
  }
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function unescaped(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return raw
  }
}
