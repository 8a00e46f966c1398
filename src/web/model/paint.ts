import { batch } from '@preact/signals'

/*
 * What has changed is shown once for each animation frame, however many frames of the stream came in between; less often when
 * showing takes long, so that the page always has time for the person. A hidden page is brought up to date twice a second.
 */

const waiting = new Set<() => void>()
let planned = false
let earliest = 0

/** Calls `show` at the next opportunity, once; the same function is not called twice for it. */
export function soon(show: () => void): void {
  waiting.add(show)
  if (!planned) plan()
}

function plan() {
  planned = true
  const restMs = earliest - performance.now()
  if (restMs > 0) setTimeout(wait, restMs)
  else wait()
}

function wait() {
  const frame = requestAnimationFrame(paint)
  const fallback = setTimeout(paint, 500)
  function paint() {
    cancelAnimationFrame(frame)
    clearTimeout(fallback)
    const start = performance.now()
    const all = [...waiting]
    waiting.clear()
    planned = false
    batch(() => {
      for (const show of all) show()
    })
    // After layout and paint: as long as that took, twice over, nothing new is shown.
    setTimeout(() => (earliest = start + 3 * Math.min(performance.now() - start, 100)))
  }
}
