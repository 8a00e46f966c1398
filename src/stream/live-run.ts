import type { NewFrames, Segment } from '../db/store.ts'
import type { Frame } from '../wire/message.ts'
import { type Encoded, Encoder } from './encoder.ts'
import { GrowingText } from './growing-text.ts'
import type { Page } from './page.ts'
import { PAGE_CHARS, Pages } from './pages.ts'

/** Consecutive frames that come to be a segment, packed; the first is a whole one. */
class Block {
  readonly first: number
  last: number
  /** As they go to a reader. */
  chars = 0
  readonly #packed = new GrowingText('utf8')

  /** @param first the number of its first frame */
  constructor(first: number) {
    this.first = first
    this.last = first - 1
  }

  add({ text, packed }: Encoded): void {
    this.last++
    this.chars += text.length
    this.#packed.add(packed)
  }

  get packed(): string {
    return this.#packed.toString()
  }
}

/**
 * A run that grows, in memory: a cache of the log. A frame is pending, then being stored, then committed, and from then on a
 * reader may see it. Live readers want the newest; what is older is kept packed until it is sealed, then forgotten.
 */
export class LiveRun {
  readonly number: number
  /** The log row of the first frame that is in no segment yet. */
  pinned = 0
  /** The next group commit will look at it. */
  growing = false
  /** Nothing was appended since its last step was stored. */
  silent = true
  readonly #blockChars: number
  /** The number of the last frame that was given one. */
  #given: number
  readonly #encoder = new Encoder()
  #pending: Encoded[] = []
  /** What is being stored. */
  #storing: Encoded[] = []
  /** The frames of the newest commit. */
  #newest: Encoded[] = []
  /** The number of the last committed frame. */
  #last: number
  /** That one is the final one. */
  #over = false
  /** What is committed and in no segment. */
  #blocks: Block[] = []
  /** The page that was read last: of many readers, all but the first find theirs made. */
  #page: { after: number; text: string; last: number } | undefined
  #unpacked: { block: Block; pages: Pages } | undefined

  /**
   * @param sealed the number of the last frame in a segment
   * @param blockChars how long a segment should be
   */
  constructor(number: number, sealed: number, blockChars: number) {
    this.number = number
    this.#given = sealed
    this.#last = sealed
    this.#blockChars = blockChars
  }

  get given(): number {
    return this.#given
  }

  get pending(): number {
    return this.#pending.length
  }

  /** The number of the last frame that a reader may see. */
  get last(): number {
    return this.#last
  }

  /** True when there is enough of it for a segment. */
  get ripe(): boolean {
    return (this.#blocks[0]?.chars ?? 0) >= this.#blockChars
  }

  add(messages: Frame[]): void {
    for (const message of messages) this.#pending.push(this.#encoder.encode(message, ++this.#given))
  }

  /** Takes what is pending, to be stored; what is added meanwhile waits for the next time. */
  take(): NewFrames {
    this.#storing = this.#pending
    this.#pending = []
    return { run: this.number, first: this.#last + 1, count: this.#storing.length, frames: this.#pack(this.#blockChars) }
  }

  /** What was taken is stored, in this row of the log: from now on it is shown. */
  committed(logId: number): void {
    if (this.#blocks.length === 0) this.pinned = logId
    let open = this.#blocks.at(-1)
    for (const frame of this.#storing) {
      this.#last++
      if (!open || open.chars >= this.#blockChars) this.#blocks.push((open = new Block(this.#last)))
      open.add(frame)
    }
    this.#newest = this.#storing
    this.#storing = []
    this.#page = undefined
    this.#unpacked = undefined
  }

  /** What was taken was not stored: it is pending again. */
  giveBack(): void {
    this.#pending.unshift(...this.#storing)
    this.#storing = []
  }

  /** Takes what was given numbers elsewhere, and is stored: first frames, and those of an earlier process. */
  restore(frames: string[], logId: number): void {
    this.#given += frames.length
    this.#pending = frames.map((text) => ({ text, packed: text }))
    this.take()
    this.committed(logId)
  }

  /** Its last segment, with `[DONE]` behind all that is pending. It may be asked for again. */
  end(): Segment {
    if (this.#storing.length === 0) this.#storing = [...this.#pending, this.#encoder.done(++this.#given)]
    const first = this.#blocks[0]?.first ?? this.#last + 1
    const frames = this.#blocks.map(({ packed }) => packed).join('') + this.#pack(Infinity)
    return { run: this.number, first, last: this.#given, final: true, frames }
  }

  /** What `end` gave is stored: whoever has seen all that came before sees it now. */
  ended(): void {
    this.#last = this.#given
    this.#newest = this.#storing
    this.#pending = []
    this.#page = undefined
    this.#over = true
  }

  /** What is committed and in no segment. */
  segments(): Segment[] {
    return this.#blocks.map(({ first, last, packed }) => ({ run: this.number, first, last, final: false, frames: packed }))
  }

  /** Those segments are stored. */
  sealed(): void {
    this.#blocks = []
    this.#unpacked = undefined
  }

  /** True when what comes above `after` is here; else it is in a segment. */
  holds(after: number): boolean {
    return after >= Math.min(this.#last - this.#newest.length, (this.#blocks[0]?.first ?? Infinity) - 1)
  }

  /** A page of what is committed above `after`, or undefined when that is nothing yet. For what it `holds`. */
  read(after: number): Page | undefined {
    if (after >= this.#last) return this.#over ? { text: '', last: after, final: true } : undefined
    const newest = this.#last - this.#newest.length
    if (after < newest) return this.#older(after)
    if (this.#page?.after !== after) {
      let text = ''
      let last = after
      while (last < this.#last && text.length < PAGE_CHARS) text += this.#newest[last++ - newest]!.text
      this.#page = { after, text, last }
    }
    const { text, last } = this.#page
    return { text, last, final: this.#over && last === this.#last }
  }

  #older(after: number): Page {
    const block = this.#blocks.find(({ last }) => last > after)!
    if (this.#unpacked?.block !== block) this.#unpacked = { block, pages: new Pages(block.packed, block.first) }
    return { ...this.#unpacked.pages.after(after), final: false }
  }

  /** What is being stored, as it is stored: a frame that begins a block is a whole one, and so is the first of a segment. */
  #pack(blockChars: number): string {
    let chars = this.#blocks.at(-1)?.chars ?? Infinity
    let packed = ''
    for (const frame of this.#storing) {
      if (chars >= blockChars) {
        frame.packed = frame.text
        chars = 0
      }
      chars += frame.text.length
      packed += frame.packed
    }
    return packed
  }
}
