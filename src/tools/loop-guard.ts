import { parseArguments } from './arguments.ts'
import { canonical } from './json-schema.ts'
import { ToolError } from './tool.ts'

interface Call {
  name: string
  arguments: string
}

const MAX_SAME = 3

/**
 * Which of `calls` repeat, with the same arguments, what was called three times before in this turn (faults.md F46): for those
 * the text that the model gets instead of a result. Key order and spaces in the arguments make no difference.
 *
 * @param history the calls of the turn's earlier steps, refused ones too
 */
export function repeats(history: Call[], calls: Call[]): (string | undefined)[] {
  const counts = new Map<string, number>()
  const count = (call: Call) => {
    const key = keyOf(call)
    const next = (counts.get(key) ?? 0) + 1
    counts.set(key, next)
    return next
  }
  history.forEach(count)
  return calls.map((call) => {
    const times = count(call)
    if (times <= MAX_SAME) return undefined
    return (
      `${call.name} was called with the same arguments ${times} times in this turn, so this call was not run. ` +
      'Use the results that you have, or do something else.'
    )
  })
}

function keyOf(call: Call) {
  try {
    return `${call.name} ${canonical(parseArguments(call.arguments))}`
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return `${call.name} ${call.arguments}`
  }
}
