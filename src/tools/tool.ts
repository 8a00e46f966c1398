import type { Speaker, Store } from '../db/store.ts'
import type { Tool } from '../wire/tool.ts'

/** A tool that comes with the server. One file may hold several that belong together; index.ts lists them. */
export interface BuiltinTool {
  name: string
  type: Tool['tool_type']
  /** What the model is told. */
  description: string
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>
  /** It changes nothing, so several calls of it may run at once. */
  parallelSafe?: boolean
  /**
   * @param args an object that fits `parameters`
   * @returns what the model reads
   * @throws {ToolError} for what the model can mend
   */
  run(args: Record<string, unknown>, call: ToolCallContext): Promise<string>
}

/** Who calls. */
export interface ToolCallContext {
  store: Store
  tenant: string
  /** The key that pays for what comes of it, if any. */
  payer?: string | null
  agent: Speaker
  /** Aborts when the run is cancelled, or the call takes too long. */
  signal: AbortSignal
  /** The same for every try of this call: a tool with effects outside can tell a repeat by it. */
  callKey: string
  /** There when an embedding model is set: archival search then goes by meaning. */
  embed?: Embed | undefined
}

/** Texts become vectors of one length, in the same order. `model` tells vectors of different models apart. */
export interface Embed {
  (texts: string[], signal?: AbortSignal): Promise<number[][]>
  model?: string
}

/** What a tool gave: `text` is what the model reads, the lines are what was printed on the way. */
export interface ToolOutput {
  text: string
  stdout?: string[]
  stderr?: string[]
}

/** Where the tools of one or more types are run: the built-in ones, MCP servers, the sandbox. */
export interface ToolSource {
  /** @throws {ToolError} for what the model, or its operator, can mend */
  run(tool: Tool, args: Record<string, unknown>, call: ToolCallContext): Promise<ToolOutput>
  close(): Promise<void>
}

/** The call cannot be done as asked; its text goes to the model. */
export class ToolError extends Error {
  readonly stdout: string[]
  readonly stderr: string[]
  constructor(message: string, { stdout = [], stderr = [] }: Omit<Partial<ToolOutput>, 'text'> = {}) {
    super(message)
    this.stdout = stdout
    this.stderr = stderr
  }
}

/** The named argument as a string. @throws {ToolError} */
export function stringArg(args: Record<string, unknown>, name: string): string {
  const value = args[name]
  if (typeof value !== 'string') throw new ToolError(`The argument "${name}" must be a string`)
  return value
}
