import { ToolError } from './tool.ts'

type Args = Record<string, unknown>

/** What is null was left out: some models send every argument. */
const given = (args: Args, name: string): unknown => args[name] ?? undefined

/** @throws {ToolError} for anything but a string or nothing */
export function optionalString(args: Args, name: string): string | undefined {
  const value = given(args, name)
  if (value !== undefined && typeof value !== 'string') throw new ToolError(`The argument "${name}" must be a string`)
  return value
}

/** @throws {ToolError} for anything but a list of strings or nothing, which is an empty one */
export function stringList(args: Args, name: string): string[] {
  const value = given(args, name) ?? []
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new ToolError(`The argument "${name}" must be a list of strings`)
  }
  return value
}

/** @throws {ToolError} for anything but one of `choices` or nothing */
export function optionalChoice<T extends string>(args: Args, name: string, choices: readonly T[]): T | undefined {
  const value = optionalString(args, name)
  const choice = choices.find((one) => one === value)
  if (value !== undefined && choice === undefined)
    throw new ToolError(`The argument "${name}" must be one of ${choices.join(', ')}`)
  return choice
}

/** @throws {ToolError} for anything but a whole number in these bounds or nothing */
export function optionalInteger(args: Args, name: string, { min, max }: { min: number; max: number }): number | undefined {
  const value = given(args, name)
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new ToolError(`The argument "${name}" must be a whole number from ${min} to ${max}`)
  }
  return value
}
