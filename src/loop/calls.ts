import type { CallPart, MessageRow, ReturnPart, Returned, Speaker } from '../db/store.ts'
import { Cancelled } from '../errors.ts'
import { type Call, type Executed, executeCalls } from '../tools/execute.ts'
import { repeats } from '../tools/loop-guard.ts'
import { parseArguments } from '../tools/arguments.ts'
import type { Rules } from '../tools/rules.ts'
import type { LentTool, Scene } from './scene.ts'

/** What the calls of a step gave. */
export interface Results {
  /** In the order of the calls; a call whose result its manager gives later has none yet. */
  parts: ReturnPart[]
  returned: Returned[]
  /** A rule's own arguments do not fit the tool: nobody in the conversation can mend that. */
  badPrefill: boolean
  /** A tool that a manager lent was called in order: it ends the turn. */
  lentEnds: boolean
  /** Why the run ends, when it was cancelled meanwhile: calls that had not ended say so. */
  cancelled?: Cancelled
}

export interface RunCallsOptions {
  agent: Speaker
  stepId: string
  calls: CallPart[]
  lent: LentTool[]
  rules: Pick<Rules, 'parallel' | 'prefilled' | 'violation'>
  /** What the turn's earlier steps called. */
  history: Returned[]
}

/** Runs a step's calls; each has its return, whatever happens. @throws {Suspended} when the server goes down */
export async function runCalls(
  scene: Scene,
  { agent, stepId, calls, lent, rules, history }: RunCallsOptions,
): Promise<Results> {
  const { store, tenant, payer, signal, tools: source } = scene
  const lentOf = (call: CallPart) => lent.find(({ spec }) => spec.name === call.name)
  const own = calls.filter((call) => !lentOf(call))
  const repeated = repeats(history, own)
  const asked = own.map((call, index): Call => {
    const several = !rules.parallel && index > 0 ? 'One call at a time: this one was not run' : undefined
    return { ...call, prefilled: rules.prefilled(call.name), refused: rules.violation(call.name) ?? several ?? repeated[index] }
  })
  const done = new Map<Call, Executed>()
  const results: Results = { parts: [], returned: [], badPrefill: false, lentEnds: false }
  try {
    const context = { store, tenant, payer, agent, signal }
    await executeCalls({ calls: asked, tools: agent.tools, source, context, stepId, done: (call, it) => done.set(call, it) })
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error
    results.cancelled = error
  }
  results.badPrefill = [...done.values()].some(({ badPrefill }) => badPrefill)
  const ran = asked[Symbol.iterator]()
  for (const call of calls) {
    const tool = lentOf(call)
    const result = tool ? lentResult(tool, call) : ownResult(done.get(ran.next().value!))
    if (tool && (result === 'later' || !result.isError)) results.lentEnds = true
    if (result === 'later') continue
    results.parts.push({
      type: 'tool_return',
      tool_call_id: call.id,
      content: result.text,
      is_error: result.isError,
      ...printed(result),
      ...(call.speaks !== undefined && !result.isError && { speaks: call.speaks }),
    })
    results.returned.push({
      name: call.name,
      arguments: call.arguments,
      result: result.text.slice(0, KEPT_CHARS),
      isError: result.isError,
    })
  }
  return results
}

/** Enough for a rule that goes by a result, which is a short value. */
const KEPT_CHARS = 200

interface Result {
  text: string
  isError: boolean
  stdout?: string[] | undefined
  stderr?: string[] | undefined
}

const ownResult = (ran: Executed | undefined): Result =>
  ran ? { ...ran.output, isError: ran.isError } : { text: CUT_OFF, isError: true }

const CUT_OFF = 'The run was cancelled before this had ended; it may have had effects.'

const printed = ({ stdout, stderr }: Result) => ({ ...(stdout && { stdout }), ...(stderr && { stderr }) })

function lentResult(tool: LentTool, call: CallPart): Result | 'later' {
  try {
    return tool.result(parseArguments(call.arguments))
  } catch (error) {
    return { text: error instanceof Error ? error.message : String(error), isError: true }
  }
}

/** Ids of the calls whose returns are errors. */
export const failedCalls = (rows: MessageRow[]): Set<string> =>
  new Set(
    rows.flatMap((row) =>
      row.parts.flatMap((part) => (part.type === 'tool_return' && part.is_error ? [part.tool_call_id] : [])),
    ),
  )

/** Tells an agent that its calls were not run, and why: so that each has its return. */
export const notRun = (row: MessageRow, calls: CallPart[], why: string): MessageRow => ({
  ...row,
  name: calls[0]!.name,
  parts: calls.map(({ id, speaks }) => ({
    type: 'tool_return',
    tool_call_id: id,
    content: `This was not run: ${why}`,
    is_error: true,
    ...(speaks !== undefined && { speaks }),
  })),
})
