import type { Goal, Result } from './result.ts'
import { rounds } from './stats.ts'

/** Results as a reader of a terminal wants them: median (min–max) of all rounds. */
export function table({ workload, figures, paired, goals, notes }: Result): string {
  const lines = [`\n## ${workload}`]
  const targets = [...figures.keys()]
  if (targets.length > 0) {
    const said = (name: string) => targets.some((target) => figures.get(target)!.some((one) => !Number.isNaN(one[name])))
    const names = Object.keys(figures.get(targets[0]!)![0]!).filter(said)
    const rows = names.map((name) => [name, ...targets.map((target) => shown(figures.get(target)!.map((one) => one[name]!)))])
    lines.push(...aligned([[`n = ${figures.get(targets[0]!)!.length}`, ...targets], ...rows]))
  }
  if (paired.length > 0) lines.push('', ...aligned(paired.map(({ name, values }) => [name, shown(values)])))
  if (goals.length > 0) {
    const rows = goals.map((goal) => [goal.name, shown(goal.values), String(goal.must), String(goal.aim), verdict(goal)])
    lines.push('', ...aligned([['goal', 'measured', 'must', 'aim', ''], ...rows]))
  }
  return [...lines, ...notes.map((note) => `\n${note}`)].join('\n')
}

/** The same for a program. */
export const json = (results: Result[]): string =>
  JSON.stringify(
    results.map((result) => ({
      ...result,
      figures: Object.fromEntries(result.figures),
      goals: result.goals.map((goal) => ({ ...goal, ...rounds(goal.values), verdict: verdict(goal) })),
    })),
    null,
    2,
  )

function verdict({ values, must, aim, more = false }: Goal): string {
  const { median } = rounds(values)
  const reaches = (bound: number) => (more ? median >= bound : median <= bound)
  return reaches(aim) ? 'aim' : reaches(must) ? 'must' : 'MISSED'
}

function shown(values: number[]): string {
  const { median, min, max, n } = rounds(values)
  return n === 1 ? short(median) : `${short(median)} (${short(min)}–${short(max)})`
}

const short = (value: number): string => {
  if (Number.isNaN(value)) return '–'
  const size = Math.abs(value)
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3)
}

function aligned(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
}
