import type { RunLog } from './log.ts'
import type { Page, Show } from './page.ts'
import { Silence } from './silence.ts'

export interface TailOptions {
  /** A reader that saw nothing for so long gets an empty page. */
  silenceMs: number
  signal: AbortSignal
}

/** So many pages are shown at a time. */
const PAGES_A_TURN = 4

const turn = () => new Promise((resolve) => setImmediate(resolve))

/**
 * Shows the frames of run number `run` above `after`: stored ones first, then as they come, to the final one. An empty page is
 * `silenceMs` of silence. The first reader, a live one and one that comes back are all this (streaming.md §A.1, I6, I9): it
 * reads the log at its own pace, and holds one page. What is committed is shown within the commit's own call: a promise for
 * each token of each reader would cost more than all else here.
 *
 * @returns when the final page was shown, or the signal has aborted
 * @throws what `show` throws, and when frames are kept no more
 */
export async function tail(
  log: RunLog,
  run: number,
  after: number,
  { silenceMs, signal }: TailOptions,
  show: Show,
): Promise<void> {
  const end = Promise.withResolvers<void>()
  /** The reader is not done with its page. */
  let busy = false
  let over = false
  const fail = (error: unknown) => {
    over = true
    end.reject(error)
  }
  const shown = (page: Page) => {
    if (over) return undefined
    after = page.last
    over = page.final
    silence.heard()
    const held = show(page)
    if (over) end.resolve(held)
    return held
  }
  const goOn = () => {
    busy = false
    read()
  }
  const wait = (until: Promise<unknown>) => {
    busy = true
    until.then(goOn, fail)
  }
  const free = () => !busy && !over
  const offer = (page: Page | Promise<Page>) => {
    const held = page instanceof Promise ? page.then(shown) : shown(page)
    if (held) wait(held)
  }
  // It is called within a commit, or by a timer: nothing may be thrown there.
  const read = () => {
    try {
      for (let pages = 0; free(); pages++) {
        // A fast reader of a long run leaves the others their turn.
        if (pages === PAGES_A_TURN) return wait(turn())
        const page = log.read(run, after)
        if (!page) return
        offer(page)
      }
    } catch (error) {
      fail(error)
    }
  }
  const leave = () => {
    over = true
    end.resolve()
  }
  const silence = new Silence(silenceMs, () => {
    try {
      if (!busy) offer({ text: '', last: after, final: false })
    } catch (error) {
      fail(error)
    }
  })
  // Watch before the first read: a frame committed between the two rings a bell that is already ours.
  const unwatch = log.watch(run, read)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  read()
  try {
    await end.promise
  } finally {
    unwatch()
    silence.stop()
    signal.removeEventListener('abort', leave)
  }
}
