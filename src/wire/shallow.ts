import { z } from 'zod'

const DEEPEST = 100

/** Nothing that is nested so deep that writing it down again would overflow the stack (faults.md F72). */
export const shallow = <Schema extends z.ZodType>(schema: Schema): Schema =>
  z.preprocess((body, context) => {
    if (nested(body, DEEPEST)) context.addIssue({ code: 'custom', message: `Is nested more than ${DEEPEST} deep` })
    return body
  }, schema) as z.ZodType as Schema

const nested = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => nested(inner, levels - 1)))
