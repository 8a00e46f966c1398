import type { ValidationTargets } from 'hono'
import { validator } from 'hono/validator'
import type { z } from 'zod'
import { InvalidFields } from '../errors.ts'
import { shallow } from '../wire/shallow.ts'

const places: Partial<Record<keyof ValidationTargets, string>> = { json: 'body', param: 'path' }

/**
 * Checks one part of a request against its schema; what a handler gets is the parsed value. A failure is the 422 of
 * design §5 row 21. Query parameters that come several times arrive as arrays.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what it returns is of it, too
export function validate<Target extends keyof ValidationTargets, Schema extends z.ZodType>(target: Target, schema: Schema) {
  const checked = target === 'json' ? shallow(schema) : schema
  const handler = validator(target, (value: ValidationTargets[Target]): z.output<Schema> => {
    // Not the asynchronous way: nothing in a schema waits for anything, and zod compiles its checks for the other one alone.
    const result = checked.safeParse(value)
    if (!result.success) throw new InvalidFields(places[target] ?? target, result.error, value)
    return result.data
  })
  validators.set(handler, { target, schema })
  return handler
}

const validators = new WeakMap<object, { target: keyof ValidationTargets; schema: z.ZodType }>()

/** What a handler that `validate` made checks, for the API's description. */
export const validationOf = (handler: object) => validators.get(handler)
