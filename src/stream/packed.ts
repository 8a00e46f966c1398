/*
 * Frames as they are stored, one behind the other. Deltas of one message are the same but for their number and what they say:
 * such a frame is stored as its body, a line of JSON; its envelope is that of the frame before it. Any other is stored as it
 * goes to a reader. So a token takes some 30 bytes instead of 450, and what is read back is the same to the byte.
 */

/** What frames share: what stands before the number in their JSON, and from there to what they say. */
export interface Envelope {
  before: string
  after: string
}

/**
 * Appends a frame, in pieces: joined, they are one text at once, where a template's parts would be put together later.
 *
 * @param said the fields of what is said, as JSON without its braces
 */
export function addFrame(pieces: string[], { before, after }: Envelope, seq: number, said: string): void {
  const number = String(seq)
  pieces.push('id: ', number, '\ndata: ', before, number, after, said === '' ? '' : ',', said, '}\n\n')
}

/** How a delta is stored whose envelope is that of the frame before it. */
export const bodyOf = (said: string): string => `{${said}}\n`

/** Unpacks frames in the order in which they were packed; the first is a whole one. */
export class Unpacker {
  /** That of the last frame. */
  envelope: Envelope | undefined

  constructor(envelope?: Envelope) {
    this.envelope = envelope
  }

  /** Appends the frame numbered `seq` that stands at `at`. @returns where it ends */
  add(pieces: string[], text: string, seq: number, at: number): number {
    const end = endOfPacked(text, 1, at)
    if (isBody(text, at)) addFrame(pieces, this.envelope!, seq, text.slice(at + 1, end - 2))
    else {
      const frame = text.slice(at, end)
      this.envelope = envelopeIn(frame, seq)
      pieces.push(frame)
    }
    return end
  }

  /** `count` frames, numbered from `first` on, that stand at `at`. @returns where they end, too */
  unpack(text: string, first: number, count: number, at = 0): { frames: string[]; end: number } {
    const frames: string[] = []
    for (let seq = first; seq < first + count; seq++) {
      const pieces: string[] = []
      at = this.add(pieces, text, seq, at)
      frames.push(pieces.join(''))
    }
    return { frames, end: at }
  }
}

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
