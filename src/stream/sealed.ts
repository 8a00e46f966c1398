import type { Frames, Segment } from '../db/store.ts'
import type { Page } from './page.ts'
import { Pages } from './pages.ts'

/** So many of the segments read last are kept: many readers that come back at once want the same ones. */
const KEPT = 16

interface Kept extends Pick<Segment, 'run' | 'first' | 'last' | 'final'> {
  pages: Pages
}

/** Reads the frames that are in segments, a page at a time. */
export class SealedFrames {
  readonly #frames: Frames
  readonly #kept: Kept[] = []

  constructor(frames: Frames) {
    this.#frames = frames
  }

  /**
   * What follows frame `after` of a run; an empty final page when nothing ever will. At once, where it was read just now.
   *
   * @throws {Error} when frames are missing in between: a gap is never passed over in silence
   */
  read(run: number, after: number): Page | Promise<Page> {
    const kept = this.#kept.find((one) => one.run === run && one.first <= after + 1 && one.last > after)
    return kept ? pageOf(kept, after) : this.#load(run, after)
  }

  async #load(run: number, after: number): Promise<Page> {
    const segment = await this.#frames.readSegment(run, after)
    if (segment) return pageOf(this.#keep(segment), after)
    const end = await this.#frames.lastSealed(run)
    if (end?.final && after >= end.last) return { text: '', last: after, final: true }
    throw new Error(`The frames of run number ${run} above ${after} are kept no more`)
  }

  #keep({ run, first, last, final, frames }: Segment): Kept {
    const kept = { run, first, last, final, pages: new Pages(frames, first) }
    this.#kept.unshift(kept)
    if (this.#kept.length > KEPT) this.#kept.pop()
    return kept
  }
}

function pageOf({ last, final, pages }: Kept, after: number): Page {
  const page = pages.after(after)
  return { ...page, final: final && page.last === last }
}
