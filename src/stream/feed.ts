import type { FeedRun } from '../db/store.ts'
import { Expired } from '../errors.ts'
import { doneFrame } from './frame.ts'
import type { RunLog } from './log.ts'
import type { Page, Show } from './page.ts'
import { Silence } from './silence.ts'
import { tail, type TailOptions } from './tail.ts'

/** Some of a feed. An empty text is silence; `run` is null while there is no run to follow. */
export interface FeedPage extends Page {
  run: { id: string } | null
}

/** Where a feed begins. */
export interface FeedStart {
  /** The run to begin with; without one it is the first that began after number `number`. */
  run: FeedRun | undefined
  number: number
  /** The first frame is the one after it. */
  seq: number
  /** The reader brought no cursor: it is given this one, so that it has one whenever it is cut off. */
  fresh: boolean
}

export interface FeedOptions extends TailOptions {
  group: string
  /** The group's run that began first after that number `number` did. */
  next: (number: number) => Promise<FeedRun | undefined>
}

/**
 * All runs of a group, for whoever watches it: their stored frames in the order in which the runs began, as they come. Each frame's
 * `id:` is `<run number>.<seq>`, and a run's `[DONE]` is left out. One run at a time holds a group, so this is the tail of one run after the other; it ends when the signal aborts.
 *
 * @throws {Expired} when it comes to a run whose frames are kept no more: nothing is skipped in silence
 */
export async function feed(
  log: RunLog,
  { run, number, seq, fresh }: FeedStart,
  { group, next, ...options }: FeedOptions,
  show: Show<FeedPage>,
): Promise<void> {
  const { silenceMs, signal } = options
  /** True when a run has come; made anew before each look, so that one which is admitted meanwhile is heard of. */
  let arrival = Promise.withResolvers<boolean>()
  const unwatch = log.watch(group, () => arrival.resolve(true))
  const nothing = () => arrival.resolve(false)
  const silence = new Silence(silenceMs, nothing)
  signal.addEventListener('abort', nothing, { once: true })
  try {
    // An `id:` line alone is no event, but an EventSource comes back with it.
    if (fresh) await show({ text: `id: ${run?.seq ?? number}.${seq}\n\n`, last: seq, final: false, run: run ?? null })
    while (!signal.aborted) {
      if (run) {
        const followed = run
        await tail(log, followed.seq, seq, options, (page) => {
          const text = relabelled(page, followed.seq)
          return text !== '' || !page.final ? show({ text, last: page.last, final: false, run: followed }) : undefined
        })
        number = run.seq
        seq = 0
      }
      if (signal.aborted) return
      arrival = Promise.withResolvers()
      silence.heard()
      run = await begun(await next(number))
      if (!run && !(await arrival.promise) && !signal.aborted) await show({ text: '', last: 0, final: false, run: null })
    }
  } finally {
    unwatch()
    silence.stop()
    signal.removeEventListener('abort', nothing)
  }

  /** A run that has just been stored is in the log a moment later; then the bell rings. */
  async function begun(found: FeedRun | undefined): Promise<FeedRun | undefined> {
    if (!found || (await log.position(found.seq))) return found
    if (found.status === 'created' || found.status === 'running') return undefined
    throw new Expired(found.id)
  }
}

/** Only an `id:` line begins with `id: `: what is in a frame's JSON is behind `data: `. */
function relabelled({ text, last, final }: Page, run: number): string {
  const frames = final && text !== '' ? text.slice(0, -doneFrame(last).length) : text
  return frames.replaceAll(/^id: /gm, `id: ${run}.`)
}
