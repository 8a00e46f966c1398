import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tool } from '../wire/tool.ts'
import { runJavaScript } from './sandbox-js.ts'
import type { Job, Limits } from './sandbox-process.ts'
import { runPython } from './sandbox-python.ts'
import { ToolError, type ToolCallContext, type ToolOutput, type ToolSource } from './tool.ts'

export interface SandboxSettings {
  customTools: boolean
  toolMs: number
  toolMemoryBytes: number
}

/** What to run: a stored tool, or one that came with the request. */
export type SourceTool = Pick<Tool, 'name' | 'source_type' | 'source_code'>

const OUTPUT_CHARS = 1024 * 1024

/**
 * Runs tools whose source came over the API (design §5 row 29): each call in a process of its own, killed at its limits, with
 * no file, network or process in its reach. Off until the operator turns it on. So many calls run at once as there are
 * processors; the others wait.
 */
export class Sandbox implements ToolSource {
  readonly #settings: SandboxSettings
  readonly #turns = new Turns(Math.max(2, availableParallelism()))
  readonly #closing = new AbortController()
  #folder: Promise<string> | undefined

  constructor(settings: SandboxSettings) {
    this.#settings = settings
  }

  async run(tool: Tool, args: Record<string, unknown>, { store, tenant, agent, signal }: ToolCallContext): Promise<ToolOutput> {
    this.#refuseWhenOff()
    return await this.runSource(tool, args, await store.toolEnvironment(tenant, agent.id), signal)
  }

  /** @throws {ToolError} for what the source did wrong, or the server lacks; the signal's reason */
  async runSource(
    { name, source_type: type, source_code: source }: SourceTool,
    args: Record<string, unknown>,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ToolOutput> {
    this.#refuseWhenOff()
    if (!source) throw new ToolError('The tool has no source code')
    // It becomes part of the program.
    if (!name || !/^[A-Za-z_]\w*$/.test(name))
      throw new ToolError('The name of the tool must be a name that a function can have')
    const job: Job = { name, source, args, env }
    const limits: Limits = {
      ms: this.#settings.toolMs,
      memoryBytes: this.#settings.toolMemoryBytes,
      outputChars: OUTPUT_CHARS,
    }
    const either = AbortSignal.any([signal, this.#closing.signal])
    await this.#turns.take(either)
    try {
      if (type === 'python') return await runPython(job, limits, either)
      if (type === 'javascript' || type === 'typescript') {
        return await runJavaScript(job, type === 'typescript', await this.#emptyFolder(), limits, either)
      }
    } finally {
      this.#turns.give()
    }
    throw new ToolError(`Tools with source_type ${type} cannot be run on this server: use python, typescript or javascript`)
  }

  async close(): Promise<void> {
    this.#closing.abort(new ToolError('The server is shutting down'))
    if (this.#folder) await rm(await this.#folder, { recursive: true, force: true })
  }

  #refuseWhenOff() {
    if (!this.#settings.customTools) {
      throw new ToolError('Custom tools are off on this server: its operator turns them on with ROUNDTABLE_CUSTOM_TOOLS=true')
    }
  }

  #emptyFolder(): Promise<string> {
    return (this.#folder ??= mkdtemp(join(tmpdir(), 'roundtable-sandbox-')))
  }
}

/** So many at once; who comes later waits, first come, first served. */
class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(free: number) {
    this.#free = free
  }

  /** @throws the signal's reason */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = () => {
      this.#waiting.delete(resolve)
      reject(signal.reason)
    }
    this.#waiting.add(resolve)
    signal.addEventListener('abort', leave, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  give(): void {
    const [next] = this.#waiting
    if (!next) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
