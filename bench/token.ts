import { nowUs } from './clock.ts'

/*
 * A token says which it is and when it left the model: `@17:86400123456;`. So the reader of any stream, in whatever it is
 * wrapped, knows what is missing, what is twice, and how old each one is.
 */

export const token = (index: number): string => `@${index}:${Math.round(nowUs())};`

const COLON = 58
const SEMICOLON = 59

/** Finds the tokens in the bytes of one stream, wherever these are cut. */
export class TokenScanner {
  /** Tokens that came in their order. */
  count = 0
  /** The first that did not. */
  fault: string | undefined
  done = false
  #rest = ''

  /** @param onToken gets the time at which each token left */
  scan(chunk: Buffer, onToken: (sentUs: number) => void): void {
    const text = this.#rest + chunk.toString('latin1')
    let at = text.indexOf('@')
    for (; at >= 0; at = text.indexOf('@', at + 1)) {
      const end = text.indexOf(';', at)
      if (end < 0) break
      const [index, sentUs] = numbersOf(text, at + 1, end)
      if (index === this.count) this.count++
      else this.fault ??= `token ${index} where ${this.count} was next`
      onToken(sentUs)
    }
    this.done ||= text.includes('[DONE]', Math.max(0, text.length - 64))
    this.#rest = at < 0 ? text.slice(-5) : text.slice(at)
  }
}

/** By hand: a regular expression would make the reader slower than what it measures. */
function numbersOf(text: string, from: number, to: number): [index: number, sentUs: number] {
  let index = 0
  let at = from
  for (; at < to && text.charCodeAt(at) !== COLON; at++) index = index * 10 + text.charCodeAt(at) - 48
  let sentUs = 0
  for (at++; at < to && text.charCodeAt(at) !== SEMICOLON; at++) sentUs = sentUs * 10 + text.charCodeAt(at) - 48
  return [index, sentUs]
}
