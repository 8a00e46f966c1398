import type { Frames, Segment } from '../db/store.ts'
import { unpack } from './packed.ts'
import type { Page } from './page.ts'

/** A page is so long at least, if there is that much. A reader that does not read holds one of them (faults.md F53). */
export const PAGE_CHARS = 16 * 1024

/** So many of the segments read last are kept, if they are not longer: many readers that come back at once want the same ones. */
const KEPT = 64
const KEPT_CHARS = 4 * 1024 * 1024

/** Reads the frames that are in segments, a page at a time. */
export class SealedFrames {
  readonly #frames: Frames
  readonly #kept: Segment[] = []
  #keptChars = 0

  constructor(frames: Frames) {
    this.#frames = frames
  }

  /**
   * What follows frame `after` of a run; an empty final page when nothing ever will.
   *
   * @throws {Error} when frames are missing in between: a gap is never passed over in silence
   */
  async read(run: number, after: number): Promise<Page> {
    const segment = this.#find(run, after) ?? this.#keep(unpacked(await this.#frames.readSegment(run, after)))
    if (segment) return pageOf(segment, after)
    const end = await this.#frames.lastSealed(run)
    if (end?.final && after >= end.last) return { text: '', last: after, final: true }
    throw new Error(`The frames of run number ${run} above ${after} are kept no more`)
  }

  #find(run: number, after: number): Segment | undefined {
    return this.#kept.find((segment) => segment.run === run && segment.first <= after + 1 && segment.last > after)
  }

  #keep(segment: Segment | undefined): Segment | undefined {
    if (!segment) return undefined
    this.#kept.unshift(segment)
    this.#keptChars += segment.frames.length
    while (this.#kept.length > KEPT || this.#keptChars > KEPT_CHARS) this.#keptChars -= this.#kept.pop()!.frames.length
    return segment
  }
}

/** The segment with its frames as they go to a reader. */
function unpacked(segment: Segment | undefined): Segment | undefined {
  return segment && { ...segment, frames: unpack(segment.frames, segment.first, segment.last).join('') }
}

/** JSON has no raw line feed, so a blank line ends a frame and nothing else does. */
function pageOf({ first, last, final, frames }: Segment, after: number): Page {
  let from = 0
  for (let seq = first; seq <= after; seq++) from = frames.indexOf('\n\n', from) + 2
  let to = from
  let seq = after
  while (to < frames.length && to - from < PAGE_CHARS) {
    to = frames.indexOf('\n\n', to) + 2
    seq++
  }
  return { text: frames.slice(from, to), last: seq, final: final && seq === last }
}
