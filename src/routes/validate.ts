import { zValidator } from '@hono/zod-validator'
import type { ValidationTargets } from 'hono'
import type { z } from 'zod'
import { InvalidFields } from '../errors.ts'

const places: Partial<Record<keyof ValidationTargets, string>> = { json: 'body', param: 'path' }

/**
 * Checks one part of a request against its schema; what a handler gets is the parsed value. A failure is the 422 of
 * design §5 row 21. Query parameters that come several times arrive as arrays.
 */
export const validate = <Target extends keyof ValidationTargets, Schema extends z.ZodType>(target: Target, schema: Schema) =>
  zValidator(target, schema, (result) => {
    if (!result.success) throw new InvalidFields(places[target] ?? target, result.error, result.data)
  })
