import { zValidator } from '@hono/zod-validator'
import type { ValidationTargets } from 'hono'
import type { z } from 'zod'
import { InvalidFields } from '../errors.ts'
import { shallow } from '../wire/shallow.ts'

const places: Partial<Record<keyof ValidationTargets, string>> = { json: 'body', param: 'path' }

/**
 * Checks one part of a request against its schema; what a handler gets is the parsed value. A failure is the 422 of
 * design §5 row 21. Query parameters that come several times arrive as arrays.
 */
export function validate<Target extends keyof ValidationTargets, Schema extends z.ZodType>(target: Target, schema: Schema) {
  const handler = zValidator(target, target === 'json' ? shallow(schema) : schema, (result) => {
    if (!result.success) throw new InvalidFields(places[target] ?? target, result.error, result.data)
  })
  validators.set(handler, { target, schema })
  return handler
}

const validators = new WeakMap<object, { target: keyof ValidationTargets; schema: z.ZodType }>()

/** What a handler that `validate` made checks, for the API's description. */
export const validationOf = (handler: object) => validators.get(handler)
