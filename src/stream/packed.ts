/*
 * Frames as they are stored, one behind the other. Deltas of one message are the same but for their number and what they say:
 * such a frame is stored as its body, a line of JSON; its envelope is that of the frame before it. Any other is stored as it
 * goes to a reader. So a token takes some 30 bytes instead of 450, and what is read back is the same to the byte.
 */

/** What frames share: their JSON up to the number in it, and from there to the body. */
export interface Envelope {
  before: string
  after: string
}

/** @param said the fields of what is said, as JSON without its braces */
export const framed = ({ before, after }: Envelope, seq: number, said: string): string =>
  `id: ${seq}\ndata: ${before}${seq}${after}${said === '' ? '' : `,${said}`}}\n\n`

/** How a delta is stored whose envelope is that of the frame before it. */
export const bodyOf = (said: string): string => `{${said}}\n`

/** Unpacks frames in the order in which they were packed; the first is a whole one. */
export class Unpacker {
  #envelope: Envelope | undefined

  /** `count` frames, numbered from `first` on, that stand at `at`. @returns where they end, too */
  unpack(text: string, first: number, count: number, at = 0): { frames: string[]; end: number } {
    const frames: string[] = []
    for (let seq = first; seq < first + count; seq++) {
      const end = endOfPacked(text, 1, at)
      frames.push(this.#unpackOne(text.slice(at, end), seq))
      at = end
    }
    return { frames, end: at }
  }

  #unpackOne(one: string, seq: number): string {
    if (isBody(one, 0)) return framed(this.#envelope!, seq, one.slice(1, -2))
    this.#envelope = envelopeIn(one, seq)
    return one
  }
}

/** All frames of a text that begins with a whole one. */
export const unpack = (text: string, first: number, last: number): string[] =>
  new Unpacker().unpack(text, first, last - first + 1).frames

/** Where `count` packed frames end that stand at `at`. */
export function endOfPacked(text: string, count: number, at: number): number {
  for (let left = count; left > 0; left--) {
    at = isBody(text, at) ? text.indexOf('\n', at) + 1 : text.indexOf('\n\n', at) + 2
  }
  return at
}

/** A whole frame begins with its `id:` line. */
const isBody = (text: string, at: number): boolean => text.charCodeAt(at) === BRACE

const BRACE = 123

/** Undefined for what is not a message's frame, like `[DONE]`. */
function envelopeIn(frame: string, seq: number): Envelope | undefined {
  const start = `id: ${seq}\ndata: `
  const number = `"seq_id":${seq},"run_id":"`
  const at = frame.indexOf(number)
  // In a text inside JSON the quotes would be escaped: what is found is the message's own field.
  if (at < 0 || !frame.startsWith(start)) return undefined
  const end = frame.indexOf('"', at + number.length) + 1
  const numberAt = at + '"seq_id":'.length
  return { before: frame.slice(start.length, numberAt), after: frame.slice(numberAt + String(seq).length, end) }
}
