import { inHue } from '../model/colours.ts'
import type { Sums as SumsOf } from '../model/sums.ts'
import { count } from '../model/words.ts'
import type { Seat } from './table.tsx'

/** What all runs together have used, and who wrote how much of it. */
export function Sums({ sums, seats }: { sums: SumsOf; seats: Seat[] }) {
  const most = Math.max(...sums.bySpeaker.map(({ tokens }) => tokens), 1)
  return (
    <section class="sums" aria-label="All runs together">
      <h2>All together</h2>
      <dl class="facts">
        <div>
          <dt>Runs</dt>
          <dd>{count(sums.runs)}</dd>
        </div>
        <div>
          <dt>Model calls</dt>
          <dd>{count(sums.steps)}</dd>
        </div>
        <div>
          <dt>Tokens read</dt>
          <dd>{count(sums.promptTokens)}</dd>
        </div>
        <div>
          <dt>Tokens written</dt>
          <dd>{count(sums.completionTokens)}</dd>
        </div>
      </dl>
      <ul class="shares">
        {seats.map(({ id, name, hue }) => {
          const tokens = sums.bySpeaker.find((one) => one.id === id)?.tokens ?? 0
          return (
            <li key={id} style={inHue(hue)}>
              <span class="name">{name}</span>
              <span class="bar">
                <i style={{ width: `${(100 * tokens) / most}%` }} />
              </span>
              <span class="number">{count(tokens)}</span>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
