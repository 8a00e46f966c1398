import type { Tool } from '../wire/tool.ts'
import { faultOf, isRecord } from './json-schema.ts'
import { ToolError } from './tool.ts'

const MAX_CHARS = 1_000_000
const MAX_DEPTH = 100

/**
 * The arguments of a call from what the model wrote; nothing means none. What comes out is safe to walk and to copy: it is
 * neither deep nor huge, and no key of it is `__proto__`.
 *
 * @throws {ToolError}
 */
export function parseArguments(text: string): Record<string, unknown> {
  if (text.length > MAX_CHARS) throw new ToolError(`The arguments have more than ${MAX_CHARS} characters`)
  let args: unknown
  try {
    args = JSON.parse(text.trim() === '' ? '{}' : text)
  } catch {
    throw new ToolError('The arguments are not valid JSON')
  }
  if (!isRecord(args)) throw new ToolError('The arguments must be a JSON object')
  refuseTraps(args, 0)
  return args
}

function refuseTraps(value: unknown, depth: number) {
  if (typeof value !== 'object' || value === null) return
  if (depth > MAX_DEPTH) throw new ToolError(`The arguments are nested more than ${MAX_DEPTH} levels deep`)
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') throw new ToolError('The argument "__proto__" is not allowed')
    refuseTraps(inner, depth + 1)
  }
}

/** @throws {ToolError} naming the argument that does not fit the tool's schema */
export function checkArguments({ json_schema }: Tool, args: Record<string, unknown>): void {
  refuse(faultOf(json_schema?.['parameters'], args))
}

/**
 * The same for arguments that a tool rule sets: they may be some of all, but no others than the tool's own.
 *
 * @throws {ToolError}
 */
export function checkPrefilled({ json_schema }: Tool, args: Record<string, unknown>): void {
  const parameters = json_schema?.['parameters']
  refuse(faultOf({ ...(isRecord(parameters) ? parameters : {}), required: [], additionalProperties: false }, args))
}

function refuse(fault: ReturnType<typeof faultOf>) {
  if (fault)
    throw new ToolError(fault.path === '' ? `The arguments: ${fault.reason}` : `The argument "${fault.path}" ${fault.reason}`)
}
