import type { MessageRow } from '../db/store.ts'
import { unitsOf, type Unit } from './units.ts'

/** What of a history goes, and what stays behind the system row; both are whole units, in order. */
export interface Cut {
  mode: 'sliding_window' | 'all'
  evicted: MessageRow[]
  kept: MessageRow[]
}

export interface CutOptions {
  /** Of the window: how much is to be free afterwards. */
  percentage: number
  /** Whether these rows leave that much free. */
  fits: (rows: MessageRow[]) => boolean
}

/**
 * The smallest of the candidate cuts that is enough: `percentage` + 10 % of the messages, + 20 % and so on, each moved back to
 * where a unit begins (groups.md §5.5.3; Letta looks for an assistant's row there, our prompts may begin with anybody). The
 * newest unit stays, and one that waits for an approval does.
 *
 * @param rows with the system row at their head @returns undefined when none is enough
 */
export function chooseCut([system, ...rows]: readonly MessageRow[], { percentage, fits }: CutOptions): Cut | undefined {
  if (!system) return undefined
  const units = unitsOf(rows)
  const starts = startsOf(units)
  for (let tenths = 1; percentage + tenths / 10 < 1.1; tenths++) {
    const share = Math.min(1, percentage + tenths / 10)
    // The system row is one of the messages.
    const count = Math.round(share * (rows.length + 1)) - 1
    const at = starts.findLastIndex((start) => start <= count)
    const cut = divide('sliding_window', units, (unit, index) => index < at && !unit.pending)
    if (cut && fits([system, ...cut.kept])) return cut
  }
  return undefined
}

/** Everything but what waits for an approval; the newest unit stays too if it leaves enough free. */
export function cutAll([system, ...rows]: readonly MessageRow[], { fits }: Pick<CutOptions, 'fits'>): Cut | undefined {
  if (!system) return undefined
  const units = unitsOf(rows)
  const newest = divide('all', units, (unit, index) => index < units.length - 1 && !unit.pending)
  const stays = newest?.kept ?? rows
  return fits([system, ...stays]) ? newest : divide('all', units, (unit) => !unit.pending)
}

/** Nothing is gained when only an earlier summary would go. */
function divide(mode: Cut['mode'], units: Unit[], goes: (unit: Unit, index: number) => boolean): Cut | undefined {
  const evicted: MessageRow[] = []
  const kept: MessageRow[] = []
  for (const [index, unit] of units.entries()) (goes(unit, index) ? evicted : kept).push(...unit.rows)
  return evicted.some(({ role }) => role !== 'summary') ? { mode, evicted, kept } : undefined
}

function startsOf(units: Unit[]): number[] {
  let next = 0
  return units.map(({ rows }) => {
    const start = next
    next += rows.length
    return start
  })
}
