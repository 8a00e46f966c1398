import { z } from 'zod'

const count = z.int().min(0).default(0)
const reported = z.int().min(0).nullable().default(null)

/** What a request used, over all of its model calls; null = the provider said nothing (streaming.md §5.3). */
export const UsageStatistics = z.object({
  message_type: z.literal('usage_statistics').default('usage_statistics'),
  completion_tokens: count,
  prompt_tokens: count,
  total_tokens: count,
  step_count: count.describe('Model calls made'),
  run_ids: z.array(z.string()).nullable().default(null).describe('This run and the background runs that it started'),
  cached_input_tokens: reported,
  cache_write_tokens: reported,
  reasoning_tokens: reported,
  context_tokens: reported.describe('The latest size of the context'),
  run_id: z.string().optional().describe('Only in a stream'),
  seq_id: z.int().optional().describe('Only in a stream'),
})
export type UsageStatistics = z.infer<typeof UsageStatistics>

/** `GET /v1/runs/{run_id}/usage` (streaming.md §4.9). */
export const RunUsage = z.object({
  completion_tokens: count,
  prompt_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z
    .object({ cached_tokens: reported, cache_read_tokens: reported, cache_creation_tokens: reported })
    .nullable(),
  completion_tokens_details: z.object({ reasoning_tokens: reported }).nullable(),
})
export type RunUsage = z.infer<typeof RunUsage>
