import type { MessageRow } from '../db/store.ts'

/** Rows that only make sense together, and so stay or go together. */
export interface Unit {
  rows: MessageRow[]
  /** Calls in it still wait for an answer from outside. */
  pending: boolean
}

/**
 * The whole units of a history: calls with their results, requests for approval with the answers, and whatever stands between
 * them; all rows of one step; any other row alone.
 */
export function unitsOf(rows: readonly MessageRow[]): Unit[] {
  // For each row the last one that it needs.
  const ends = rows.map((_, index) => index)
  const steps = new Map<string, number>()
  const open = new Map<string, number>()
  for (const [index, { role, stepId, parts }] of rows.entries()) {
    const together = (first: number | undefined) => {
      if (first !== undefined) ends[first] = index
    }
    // A summary names the step that it was made in, and is about what was before.
    if (stepId !== null && role !== 'summary') {
      together(steps.get(stepId))
      if (!steps.has(stepId)) steps.set(stepId, index)
    }
    for (const part of parts) {
      if (part.type === 'tool_call') open.set(part.id, index)
      else if (part.type === 'approval_response') for (const { tool_call_id: id } of part.approvals) together(open.get(id))
      else if (part.type === 'tool_return') {
        together(open.get(part.tool_call_id))
        open.delete(part.tool_call_id)
      }
    }
  }
  const waiting = new Set([...open.values()].filter((index) => rows[index]!.role === 'approval'))
  const units: Unit[] = []
  let end = -1
  for (const [index, row] of rows.entries()) {
    if (index > end) units.push({ rows: [], pending: false })
    const unit = units.at(-1)!
    unit.rows.push(row)
    unit.pending ||= waiting.has(index)
    end = Math.max(end, ends[index]!)
  }
  return units
}
