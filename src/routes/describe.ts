import type { Handler, MiddlewareHandler } from 'hono'
import type { z } from 'zod'
import { Frame } from '../wire/message.ts'
import { Refused } from '../wire/response.ts'

/** What a route says of itself; what it takes is said by its validators. */
export interface Description {
  summary: string
  /** Of a 200. */
  answer: z.ZodType
  /** Of each of the Server-Sent Events that the answer may come as; it is `answer` where they always come. */
  events?: z.ZodType | undefined
  /** Of what is not done. */
  refusal: z.ZodType
  /** Other statuses that are no refusals, and when they come. */
  also: Record<number, string>
  /** An example of a body; a test holds it against the schema. */
  body?: unknown
}

export interface AnswersOptions {
  /** The body can ask for these instead, as Server-Sent Events. */
  events?: z.ZodType
  refusal?: z.ZodType
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
  { events: asked, refusal = Refused, also = {}, body }: AnswersOptions = {},
): MiddlewareHandler {
  const handler: MiddlewareHandler = (_c, next) => next()
  const streamed = answer === events ? events : asked
  described.set(handler, { summary, answer, events: streamed, refusal, also, ...(body !== undefined && { body }) })
  return handler
}

export const descriptionOf = (handler: Handler | MiddlewareHandler): Description | undefined => described.get(handler)
