import { inHue } from '../model/colours.ts'
import './table.css'

export interface Seat {
  id: string
  name: string
  hue: number
}

export interface TableProps {
  cast: Seat[]
  /** The ids of those who speak. */
  speaking: string[]
  /** Whether the names are written beside the seats. */
  named?: boolean
}

/** The round table with its seats; who speaks is lit. */
export function Table({ cast, speaking, named = false }: TableProps) {
  const shown = cast.length > 0 ? cast : [38, 250, 152].map((hue) => ({ id: String(hue), name: '', hue }))
  const label =
    speaking.length > 0 ? `Speaking: ${namesOf(shown, speaking)}` : `At the table: ${shown.map(({ name }) => name).join(', ')}`
  return (
    <svg
      class={named ? 'table named' : 'table'}
      viewBox={named ? '-100 -64 200 128' : '-34 -34 68 68'}
      role="img"
      aria-label={label}
    >
      <circle r={named ? 26 : 15} class="board" />
      {shown.map(({ id, name, hue }, index) => {
        const angle = (index / shown.length) * 2 * Math.PI - Math.PI / 2
        const distance = named ? 40 : 25
        const [x, y] = [Math.cos(angle) * distance, Math.sin(angle) * distance]
        const lit = speaking.includes(id)
        return (
          <g key={id} class={lit ? 'seat lit' : 'seat'} style={inHue(hue)}>
            {lit && <circle cx={x} cy={y} r={named ? 8 : 6} class="glow" />}
            <circle cx={x} cy={y} r={named ? 8 : 6} />
            {named && (
              <text x={x + 13 * Math.cos(angle)} y={y + 16 * Math.sin(angle) + 2.5} text-anchor={anchorAt(angle)}>
                {name}
              </text>
            )}
          </g>
        )
      })}
    </svg>
  )
}

const namesOf = (cast: Seat[], ids: string[]) => cast.flatMap(({ id, name }) => (ids.includes(id) ? name : [])).join(', ')

function anchorAt(angle: number): 'start' | 'middle' | 'end' {
  const side = Math.cos(angle)
  return Math.abs(side) < 0.2 ? 'middle' : side > 0 ? 'start' : 'end'
}
