import type { Store } from '../db/store.ts'
import type { AgentState } from '../wire/agent.ts'
import type { Tool } from '../wire/tool.ts'

/** A tool that comes with the server. One file may hold several that belong together; index.ts lists them. */
export interface BuiltinTool {
  name: string
  type: Tool['tool_type']
  /** What the model is told. */
  description: string
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>
  /**
   * @param args an object, not checked against `parameters`
   * @returns what the model reads
   * @throws {ToolError} for what the model can mend
   */
  run(args: Record<string, unknown>, call: ToolCallContext): Promise<string>
}

export interface ToolCallContext {
  store: Store
  tenant: string
  agent: AgentState
  signal: AbortSignal
}

/** The call cannot be done as asked; its text goes to the model. */
export class ToolError extends Error {}

/** The named argument as a string. @throws {ToolError} */
export function stringArg(args: Record<string, unknown>, name: string): string {
  const value = args[name]
  if (typeof value !== 'string') throw new ToolError(`The argument "${name}" must be a string`)
  return value
}
