import type { CallPart } from '../db/store.ts'
import { logger } from '../logger.ts'
import type { Tool } from '../wire/tool.ts'
import { checkArguments, checkPrefilled, parseArguments } from './arguments.ts'
import { isRecord } from './json-schema.ts'
import { cutLines, cutText } from './output.ts'
import { ToolError, type ToolCallContext, type ToolOutput, type ToolSource } from './tool.ts'

export interface Call extends Pick<CallPart, 'id' | 'name' | 'arguments'> {
  /** What a tool rule sets; it wins over what the model wrote. */
  prefilled?: Record<string, unknown> | undefined
  /** Why it is not run: its result says this. */
  refused?: string | undefined
}

export interface Executed {
  id: string
  name: string
  output: ToolOutput
  isError: boolean
  /** A tool rule's arguments do not fit the tool; no model can mend that: the turn ends with `invalid_tool_call`. */
  badPrefill?: true
}

export interface Limits {
  /** How long a tool may take. */
  callMs: number
  /** How long a tool may take that waits for other agents. */
  replyMs: number
  /** How many calls of one step are run. */
  calls: number
}

export const defaultLimits: Limits = { callMs: 120_000, replyMs: 1_800_000, calls: 32 }

export interface ExecuteOptions {
  calls: Call[]
  /** The agent's own. */
  tools: Tool[]
  source: ToolSource
  context: Omit<ToolCallContext, 'callKey'>
  stepId: string
  limits?: Limits
  /** Told of each call as soon as it has its result. */
  done?: (call: Call, executed: Executed) => void
}

/**
 * Runs the calls of one step; each has its result, in the order of the calls, whatever happens. Neighbours that may run at once
 * do, all others run alone and in order (streaming.md §3.9). What a tool throws becomes its result, with a text that the model
 * can use (groups.md §5.2). A tool that is too slow, or runs on after an abort, is left behind.
 *
 * @throws the signal's reason when it aborts
 */
export async function executeCalls({
  calls,
  tools,
  limits = defaultLimits,
  done,
  ...options
}: ExecuteOptions): Promise<Executed[]> {
  const byName = new Map(tools.toReversed().map((tool) => [tool.name, tool]))
  const jobs = calls.map((call, index): Job => {
    const tool = byName.get(call.name)
    if (index >= limits.calls)
      return { call, refused: `Only ${limits.calls} calls are run at a time; this one was not: call again` }
    if (call.refused !== undefined) return { call, refused: call.refused }
    return tool ? { call, tool } : { call, refused: 'Tool not found' }
  })
  const results: Executed[] = []
  for (const together of neighbours(jobs)) {
    options.context.signal.throwIfAborted()
    const running = together.map(async (job) => {
      const executed = await execute(job, options, limits)
      done?.(job.call, executed)
      return executed
    })
    results.push(...(await Promise.all(running)))
  }
  return results
}

type Job = { call: Call; refused: string } | { call: Call; tool: Tool; refused?: undefined }

/** Cut so that what must run alone is alone. */
function neighbours(jobs: Job[]): Job[][] {
  const groups: { alone: boolean; jobs: Job[] }[] = []
  for (const job of jobs) {
    const alone = job.refused === undefined && job.tool.enable_parallel_execution !== true
    const open = groups.at(-1)
    if (open && !open.alone && !alone) open.jobs.push(job)
    else groups.push({ alone, jobs: [job] })
  }
  return groups.map((group) => group.jobs)
}

type Around = Pick<ExecuteOptions, 'source' | 'context' | 'stepId'>

async function execute(job: Job, { source, context, stepId }: Around, limits: Limits): Promise<Executed> {
  const { id, name } = job.call
  if (job.refused !== undefined) return { id, name, output: { text: job.refused }, isError: true }
  const { call, tool } = job
  try {
    checkPrefilled(tool, call.prefilled ?? {})
  } catch (error) {
    return { id, name, output: failure(call, error), isError: true, badPrefill: true }
  }
  try {
    const args = { ...withoutNulls(parseArguments(call.arguments), tool), ...call.prefilled }
    checkArguments(tool, args)
    const limitMs = tool.tool_type === 'letta_multi_agent_core' ? limits.replyMs : limits.callMs
    const output = await within(limitMs, context.signal, async (signal) =>
      source.run(tool, args, { ...context, signal, callKey: `${stepId}/${id}` }),
    )
    return { id, name, output: fitting(output, tool), isError: false }
  } catch (error) {
    context.signal.throwIfAborted()
    return { id, name, output: fitting(failure(call, error), tool), isError: true }
  }
}

/** Models write null for what they leave out; an argument that is wanted, or may be null, stays. */
function withoutNulls(args: Record<string, unknown>, { json_schema }: Tool): Record<string, unknown> {
  const { required, properties } = (json_schema?.['parameters'] ?? {}) as { required?: unknown; properties?: unknown }
  const stays = (name: string) => {
    const schema = isRecord(properties) ? properties[name] : undefined
    const type = isRecord(schema) ? schema['type'] : undefined
    return (Array.isArray(required) && required.includes(name)) || typeof type !== 'string' || type === 'null'
  }
  return Object.fromEntries(Object.entries(args).filter(([name, value]) => value !== null || stays(name)))
}

/** What `work` gives, unless time is up or `outer` aborts first; then it is told, and not waited for. */
async function within<T>(limitMs: number, outer: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  outer.throwIfAborted()
  const inner = new AbortController()
  const follow = () => inner.abort(outer.reason)
  outer.addEventListener('abort', follow, { once: true })
  const late = setTimeout(() => inner.abort(new ToolError(`It took longer than ${limitMs / 1000} seconds`)), limitMs)
  const left = new Promise<never>((_resolve, reject) => {
    inner.signal.addEventListener('abort', () => reject(inner.signal.reason), { once: true })
  })
  try {
    return await Promise.race([work(inner.signal), left])
  } catch (error) {
    inner.signal.throwIfAborted()
    throw error
  } finally {
    clearTimeout(late)
    outer.removeEventListener('abort', follow)
  }
}

const MAX_ERROR = 1000

/** What the model reads of an error; what we did not throw for it keeps its text to the server's log. */
function failure({ name }: Call, error: unknown): ToolOutput {
  const known = error instanceof ToolError
  if (!known) logger.error({ err: error, tool: name }, 'A tool failed inside the server')
  const reason = known ? error.message : 'it failed inside the server'
  const text = `Error executing function ${name}: ${reason}`.slice(0, MAX_ERROR).toWellFormed()
  return known && error.stdout.length + error.stderr.length > 0
    ? { text, stdout: error.stdout, stderr: error.stderr }
    : { text, stderr: [text] }
}

/** They choose themselves how much they show (groups.md §5.2). */
const searchTools = new Set(['conversation_search', 'archival_memory_search', 'search_memory'])

function fitting({ text, stdout, stderr }: ToolOutput, tool: Tool): ToolOutput {
  const limit = tool.return_char_limit
  const uncut = tool.tool_type === 'letta_core' && searchTools.has(tool.name ?? '')
  return {
    text: uncut ? text : cutText(text, limit),
    ...(stdout && { stdout: cutLines(stdout, limit) }),
    ...(stderr && { stderr: cutLines(stderr, limit) }),
  }
}
