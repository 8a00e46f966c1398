/** What one round of one target gave, by name and unit. */
export type Figures = Record<string, number>

/** A ratio or difference of two targets, round by round. */
export interface Paired {
  name: string
  values: number[]
}

/** What design §6 asks of a figure. */
export interface Goal {
  name: string
  values: number[]
  must: number
  aim: number
  /** Whether more is better. */
  more?: boolean
}

export interface Result {
  workload: string
  /** Target → its rounds. */
  figures: Map<string, Figures[]>
  paired: Paired[]
  goals: Goal[]
  notes: string[]
}

export const emptyResult = (workload: string): Result => ({
  workload,
  figures: new Map(),
  paired: [],
  goals: [],
  notes: [],
})

/**
 * Round after round, part after part, each target in turn: A B A B …, so what disturbs one disturbs the other. The parts of a round
 * give one set of figures.
 */
export async function interleaved<T extends { name: string }>(
  result: Result,
  targets: T[],
  rounds: number,
  ...parts: ((target: T) => Promise<Figures>)[]
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const given = targets.map((target): [T, Figures] => [target, {}])
    for (const part of parts) for (const [target, figures] of given) Object.assign(figures, await part(target))
    for (const [{ name }, figures] of given) result.figures.set(name, [...(result.figures.get(name) ?? []), figures])
  }
}

export const valuesOf = (result: Result, target: string, figure: string): number[] =>
  result.figures.get(target)!.map((figures) => figures[figure]!)

/** `a / b`, or `a - b`, of each round. */
export function pair(result: Result, figure: string, a: string, b: string, how: 'ratio' | 'difference' = 'ratio'): number[] {
  const others = valuesOf(result, b, figure)
  const values = valuesOf(result, a, figure).map((value, round) =>
    how === 'ratio' ? value / others[round]! : value - others[round]!,
  )
  result.paired.push({ name: `${figure}: ${a} ${how === 'ratio' ? '/' : '-'} ${b}`, values })
  return values
}
