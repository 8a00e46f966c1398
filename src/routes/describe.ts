import type { Handler, MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { Frame } from '../wire/message.ts'

/** What a route says of itself; what it takes is said by its validators. */
export interface Description {
  summary: string
  /** Of a 200. */
  answer: z.ZodType
  /** The answer may come, or always comes, as Server-Sent Events, each a `Frame`. */
  events: 'never' | 'asked' | 'always'
  /** Other statuses that are no refusals, and when they come. */
  also: Record<number, string>
  /** An example of a body; a test holds it against the schema. */
  body?: unknown
}

export interface AnswersOptions {
  /** The body can ask for Server-Sent Events instead. */
  events?: boolean
  also?: Record<number, string>
  body?: unknown
}

const described = new WeakMap<Handler | MiddlewareHandler, Description>()

/** The answer of a route that only streams. */
export const events = Frame

/** Says, as the first of a route's handlers, what it does and what it answers: the OpenAPI document is made from this. */
export function answers(
  summary: string,
  answer: z.ZodType,
  { events: asked = false, also = {}, body }: AnswersOptions = {},
): MiddlewareHandler {
  const handler: MiddlewareHandler = (_c, next) => next()
  const how = answer === events ? 'always' : asked ? 'asked' : 'never'
  described.set(handler, { summary, answer, events: how, also, ...(body !== undefined && { body }) })
  return handler
}

export const descriptionOf = (handler: Handler | MiddlewareHandler): Description | undefined => described.get(handler)
