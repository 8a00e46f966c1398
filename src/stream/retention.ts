import { setTimeout as sleep } from 'node:timers/promises'
import type { Frames } from '../db/store.ts'
import { logger } from '../logger.ts'

/** It is looked for frames that are too old so often, or as often as they grow old if that is less. */
const PERIOD_MS = 60 * 60 * 1000
/** Between one run's frames and the next: whoever streams comes first. */
const PAUSE_MS = 20

/**
 * Deletes in the background, run by run, the frames of runs that ended `keepMs` ago; 0 keeps them for ever (design §5 row 30).
 * The file does not shrink: what was freed is used again.
 *
 * @returns what stops it
 */
export function keepFrames(frames: Pick<Frames, 'pruneFrames'>, keepMs: number): () => void {
  const stopped = new AbortController()
  const { signal } = stopped
  const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false })
  const work = async () => {
    while (!signal.aborted) {
      await pause(Math.min(PERIOD_MS, keepMs))
      await prune().catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'Old frames could not be deleted; it is tried again')
      })
    }
  }
  const prune = async () => {
    let after: number | undefined = 0
    while (!signal.aborted && (after = await frames.pruneFrames(Date.now() - keepMs, after)) !== undefined)
      await pause(PAUSE_MS)
  }
  if (keepMs > 0) work().catch(() => {}) // stopped
  return () => stopped.abort()
}
