import { inHue } from '../model/colours.ts'
import { duration } from '../model/words.ts'
import type { Seat } from './table.tsx'

/** A step on the time line, in ms from the run's begin. */
export interface ScoreBar {
  id: string
  speaker: string
  from: number
  to: number
  detail: string
}

/** Who spoke when: a line for each speaker, as in a score. */
export function Score({ bars, seats, live }: { bars: ScoreBar[]; seats: Seat[]; live: boolean }) {
  if (bars.length === 0) return null
  const end = Math.max(...bars.map(({ to }) => to), 1)
  const percent = (ms: number) => `${((100 * ms) / end).toFixed(2)}%`
  return (
    <figure class={live ? 'score live' : 'score'}>
      {seats.map(({ id, name, hue }) => (
        <div key={id} class="voice" style={inHue(hue)}>
          <span class="name">{name}</span>
          <ol>
            {bars
              .filter(({ speaker }) => speaker === id)
              .map((bar) => (
                <li
                  key={bar.id}
                  title={`${name}: ${bar.detail}`}
                  aria-label={`${name}, after ${duration(bar.from)}: ${bar.detail}`}
                  style={{ left: percent(bar.from), width: percent(Math.max(bar.to - bar.from, end / 200)) }}
                />
              ))}
          </ol>
        </div>
      ))}
      <figcaption>
        <span>0</span>
        <span>{duration(end)}</span>
      </figcaption>
    </figure>
  )
}
