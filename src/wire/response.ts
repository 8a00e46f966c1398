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
