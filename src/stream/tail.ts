import type { RunLog } from './log.ts'
import type { Page } from './page.ts'

export interface TailOptions {
  /** A reader that saw nothing for so long gets an empty page. */
  silenceMs: number
  signal: AbortSignal
}

/**
 * The frames of run number `run` above `after`: stored ones first, then as they come, to the final one. An empty page is
 * `silenceMs` of silence. The first reader, a live one and one that comes back are all this (streaming.md §A.1, I6, I9): it
 * reads the log at its own pace, and holds one page.
 */
export async function* tail(
  log: RunLog,
  run: number,
  after: number,
  { silenceMs, signal }: TailOptions,
): AsyncGenerator<Page, void, void> {
  // Watch before the first read: a frame committed between the two rings a bell that is already ours.
  const growth = log.watch(run, silenceMs, signal)
  try {
    while (!signal.aborted) {
      const found = log.read(run, after)
      const page = found instanceof Promise ? await found : found
      if (page) {
        after = page.last
        yield page
        if (page.final) return
      } else if (!(await growth.next()) && !signal.aborted) {
        yield { text: '', last: after, final: false }
      }
    }
  } finally {
    growth.close()
  }
}
