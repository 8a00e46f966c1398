import { type Envelope, Unpacker } from './packed.ts'
import type { Page } from './page.ts'

/** A page is so long at least, if there is that much. A reader that does not read holds one of them (faults.md F53). */
export const PAGE_CHARS = 16 * 1024

/** Where a page begins: its first frame, where that stands, and the envelope of the one before it. */
interface Start {
  first: number
  at: number
  envelope: Envelope | undefined
}

/**
 * Packed frames, the first a whole one, as pages for readers. A page is made whenever somebody wants it: that takes no longer than
 * to look after all that were made before.
 */
export class Pages {
  readonly #packed: string
  readonly #starts: Start[]
  /** Of many readers that come at once, all but the first find theirs made. */
  #made: { first: number; last: number; text: string } | undefined

  constructor(packed: string, first: number) {
    this.#packed = packed
    this.#starts = [{ first, at: 0, envelope: undefined }]
  }

  /** What comes after frame `after`, of which there must be some, to the end of a page. */
  after(after: number): Omit<Page, 'final'> {
    const wanted = after + 1
    while (!this.#made || this.#made.first > wanted || this.#made.last < wanted) {
      this.#made = this.#make(this.#starts.findLast(({ first }) => first <= wanted)!)
    }
    const { first, last, text } = this.#made
    return { text: text.slice(endOfFrames(text, wanted - first)), last }
  }

  #make({ first, at, envelope }: Start) {
    const unpacker = new Unpacker(envelope)
    const pieces: string[] = []
    let seq = first
    for (let chars = 0; at < this.#packed.length && chars < PAGE_CHARS; seq++) {
      const before = pieces.length
      at = unpacker.add(pieces, this.#packed, seq, at)
      for (let index = before; index < pieces.length; index++) chars += pieces[index]!.length
    }
    if (seq === first) throw new Error(`There is no frame ${first}`)
    if (this.#starts.at(-1)!.first < seq) this.#starts.push({ first: seq, at, envelope: unpacker.envelope })
    return { first, last: seq - 1, text: pieces.join('') }
  }
}

/** Where the first `count` frames end. JSON has no raw line feed, so a blank line ends a frame and nothing else does. */
function endOfFrames(text: string, count: number): number {
  let at = 0
  for (let left = count; left > 0; left--) at = text.indexOf('\n\n', at) + 2
  return at
}
