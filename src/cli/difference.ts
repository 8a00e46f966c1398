/** How one value is shown to become another: nothing when they are the same; texts of several lines line by line. */
export function difference(name: string, before: unknown, after: unknown): string[] {
  const [from, to] = [textOf(before), textOf(after)]
  if (from === to) return []
  if (!from.includes('\n') && !to.includes('\n')) return [from === '' ? `${name}: ${to}` : `${name}: ${from} → ${to}`]
  return [`${name}:`, ...linesBetween(from.split('\n'), to.split('\n'))]
}

const textOf = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)

/** The lines that went and came, between what both begin and end with. */
function linesBetween(from: string[], to: string[]): string[] {
  let same = 0
  while (same < from.length && same < to.length && from[same] === to[same]) same++
  let tail = 0
  while (tail < from.length - same && tail < to.length - same && from.at(-1 - tail) === to.at(-1 - tail)) tail++
  return [
    ...from.slice(same, from.length - tail).map((line) => `  - ${line}`),
    ...to.slice(same, to.length - tail).map((line) => `  + ${line}`),
  ]
}
