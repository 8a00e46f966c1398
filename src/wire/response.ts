import { z } from 'zod'
import { LettaMessage, StopReason } from './message.ts'
import { UsageStatistics } from './usage.ts'

/** The answer to a request that does not stream. */
export const LettaResponse = z.object({
  messages: z.array(LettaMessage),
  stop_reason: StopReason,
  usage: UsageStatistics,
})
export type LettaResponse = z.infer<typeof LettaResponse>

/** The answer to the deletion of an agent or a group. */
export const Deleted = z.object({ message: z.string() })

/** How each run stands after a cancel: `failed` is one that is unknown or not the target's. */
export const Cancelled = z.record(z.string(), z.enum(['cancelled', 'failed']))

/** The answer of `POST …/summarize`. */
export const Summarized = z.object({
  summary: z.string(),
  num_messages_before: z.int(),
  num_messages_after: z.int(),
})
export type Summarized = z.infer<typeof Summarized>

export const Health = z.object({ version: z.string(), status: z.literal('ok') })

export const Readiness = z.object({ status: z.enum(['ok', 'unavailable']), reason: z.string().optional() })

/** What is refused: why, or for fields with values that we cannot take what is wrong where (design §5 row 21). */
const Refusal = z.looseObject({
  detail: z.union([
    z.string(),
    z.array(z.object({ type: z.string(), loc: z.array(z.union([z.string(), z.int()])), msg: z.string(), input: z.unknown() })),
    z.looseObject({ code: z.string(), message: z.string() }),
  ]),
  run_id: z.string().optional().describe('The run that is in the way, or that failed'),
})

/** A model's failure (streaming.md §9.1). */
const ModelFailure = z.looseObject({
  error: z.looseObject({ type: z.string(), message: z.string() }),
  run_id: z.string().optional().describe('The run that failed'),
})

export const Refused = z.union([Refusal, ModelFailure])
