import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { constants, setPriority } from 'node:os'
import { z } from 'zod'
import { ToolError, type ToolOutput } from './tool.ts'

/** A function of somebody's source, and what it is called with. */
export interface Job {
  /** The function; an identifier. */
  name: string
  source: string
  args: Record<string, unknown>
  env: Record<string, string>
}

export interface Limits {
  /** From the start of the process to its end. */
  ms: number
  /** Of the process with all that it started. */
  memoryBytes: number
  /** Of the result, and of what is printed. */
  outputChars: number
}

export interface Child {
  command: string
  args: string[]
  /** Goes to its stdin. */
  input: string
  cwd: string
  env: Record<string, string>
  /** Who it runs as; the server's own user where it is left out. */
  uid?: number | undefined
}

/** How memory is watched where nothing else limits it. */
const POLL_MS = 50

const Answer = z.object({
  ok: z.boolean(),
  text: z.string(),
  stdout: z.array(z.string()),
  stderr: z.array(z.string()).default([]),
})

/**
 * Runs a process that gives one answer (`{ok, text, stdout, stderr}`) as JSON on its stdout. When it takes too long, too much
 * memory, says too much, or the signal aborts, it is killed with everything that it started. Should this server die first,
 * the limit on its processor time ends it.
 *
 * @throws {ToolError} for what went wrong in there; the signal's reason
 */
export async function runJob(child: Child, limits: Limits, signal: AbortSignal): Promise<ToolOutput> {
  const { end, stdout } = await runChild(child, limits, signal)
  signal.throwIfAborted()
  if (end === 'time') throw new ToolError(`It took longer than the ${limits.ms / 1000} s that a tool may take`)
  if (end === 'memory')
    throw new ToolError(`It took more than the ${limits.memoryBytes / 1024 / 1024} MB of memory that a tool may take`)
  if (end === 'output')
    throw new ToolError(`It gave back more than the ${limits.outputChars} characters that a tool may give back`)
  const { ok, text, ...lines } = parse(stdout) ?? {
    ok: false,
    text: `It ended without an answer (${end})`,
    stdout: [],
    stderr: [],
  }
  if (!ok) throw new ToolError(text, lines)
  return { text, ...lines }
}

function parse(text: string): z.infer<typeof Answer> | undefined {
  try {
    return Answer.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // cut off: it was killed, or crashed
  }
}

interface Ended {
  /** The limit that it broke, or how it ended by itself. */
  end: string
  stdout: string
  stderr: string
}

/** @throws {ToolError} when it cannot be started */
export function runChild({ command, args, input, cwd, env, uid }: Child, limits: Limits, signal: AbortSignal): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>()
  // Processor time is limited here too, so that an orphan ends; no core files. Detached: a process group of its own.
  const wrapped = ['-c', `ulimit -c 0; ulimit -t ${Math.ceil(limits.ms / 1000) + 2}; exec "$@"`, 'sh', command, ...args]
  const child = spawn('/bin/sh', wrapped, { cwd, env, detached: true, ...(uid !== undefined && { uid, gid: uid }) })
  giveWay(child.pid)
  let broken: string | undefined
  let last: NodeJS.Timeout | undefined
  const kill = (reason: string) => {
    if (broken !== undefined || child.pid === undefined) return
    broken = reason
    // Its children first: then it buries them itself, where nobody else may (a container without an init).
    const below = childrenOf(child.pid)
    for (const pid of below) killOne(pid)
    if (below.length === 0) killOne(-child.pid)
    else last = setTimeout(killOne, 200, -child.pid)
    child.stdout.destroy()
    child.stderr.destroy()
  }
  const aborted = () => kill('abort')
  const timer = setTimeout(kill, limits.ms, 'time')
  const stopWatching = watchMemory(child.pid, limits.memoryBytes, () => kill('memory'))
  const stdout: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk)
    bytes += chunk.length
    // Characters may be escaped; four bytes for each are enough for text that is worth reading.
    if (bytes > 4 * limits.outputChars) kill('output')
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 2000) stderr += text.slice(0, 2000)
  })
  child.stdin.on('error', () => {}) // it ended before it had read everything
  child.stdin.end(input)
  signal.addEventListener('abort', aborted)
  if (signal.aborted) aborted()
  const done = () => {
    clearTimeout(timer)
    clearTimeout(last)
    stopWatching()
    signal.removeEventListener('abort', aborted)
  }
  child.once('error', (cause) => {
    done()
    reject(new ToolError(`The sandbox cannot be started: ${cause.message}`))
  })
  child.once('close', (code, killedBy) => {
    done()
    const end = broken ?? (killedBy === null ? `exit code ${code}` : `killed by ${killedBy}`)
    resolve({ end, stdout: Buffer.concat(stdout).toString('utf8'), stderr })
  })
  return promise
}

/** The server comes first where there is not enough processor for both. */
function giveWay(pid: number | undefined) {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It has ended already, or may not be changed.
  }
}

function killOne(pid: number) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

/** Those that a process started itself; none where there is no /proc. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Calls `tooMuch` when the process and its descendants hold more than `limitBytes`. Where there is no /proc it does nothing. */
function watchMemory(pid: number | undefined, limitBytes: number, tooMuch: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  let stopped = pid === undefined
  const look = async () => {
    const pages = await residentPages(pid!)
    if (stopped || pages === undefined) return
    if (pages * 4096 > limitBytes) tooMuch()
    else timer = setTimeout(() => void look(), POLL_MS)
  }
  timer = setTimeout(() => void look(), POLL_MS)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

/** Of a process and all that it started; undefined when it is gone. */
async function residentPages(pid: number): Promise<number | undefined> {
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'utf8')
    const below = await Promise.all(childrenOf(pid).map(residentPages))
    return below.reduce<number>((sum, pages) => sum + (pages ?? 0), Number(statm.split(' ')[1]))
  } catch {
    return undefined
  }
}
