import { zValidator } from '@hono/zod-validator'
import type { ValidationTargets } from 'hono'
import { z } from 'zod'
import { InvalidFields } from '../errors.ts'

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

const DEEPEST = 100

/** Nothing that is nested so deep that writing it down again would overflow the stack (faults.md F72). */
const shallow = <Schema extends z.ZodType>(schema: Schema): Schema =>
  z.preprocess((body, context) => {
    if (nested(body, DEEPEST)) context.addIssue({ code: 'custom', message: `Is nested more than ${DEEPEST} deep` })
    return body
  }, schema) as z.ZodType as Schema

const nested = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => nested(inner, levels - 1)))
