import type { Usage } from '../db/store.ts'
import type { RunUsage, UsageStatistics } from '../wire/usage.ts'

/** The sum over a request's model calls; null stays null when no provider said anything (streaming.md §5.3). */
export function totalUsage(calls: readonly Usage[]): UsageStatistics {
  return {
    message_type: 'usage_statistics',
    completion_tokens: sum(calls, 'completionTokens') ?? 0,
    prompt_tokens: sum(calls, 'promptTokens') ?? 0,
    total_tokens: sum(calls, 'totalTokens') ?? 0,
    step_count: calls.length,
    run_ids: null,
    cached_input_tokens: sum(calls, 'cachedInputTokens'),
    cache_write_tokens: sum(calls, 'cacheWriteTokens'),
    reasoning_tokens: sum(calls, 'reasoningTokens'),
    context_tokens: calls.at(-1)?.totalTokens ?? null,
  }
}

/** The same as `GET /v1/runs/{run_id}/usage` shows it (streaming.md §4.9). */
export function runUsage(calls: readonly Usage[]): RunUsage {
  const cached = sum(calls, 'cachedInputTokens')
  const written = sum(calls, 'cacheWriteTokens')
  const reasoning = sum(calls, 'reasoningTokens')
  return {
    completion_tokens: sum(calls, 'completionTokens') ?? 0,
    prompt_tokens: sum(calls, 'promptTokens') ?? 0,
    total_tokens: sum(calls, 'totalTokens') ?? 0,
    prompt_tokens_details:
      cached === null && written === null
        ? null
        : { cached_tokens: cached, cache_read_tokens: cached, cache_creation_tokens: written },
    completion_tokens_details: reasoning === null ? null : { reasoning_tokens: reasoning },
  }
}

function sum(calls: readonly Usage[], field: keyof Usage): number | null {
  let total: number | null = null
  for (const call of calls) if (call[field] !== null) total = (total ?? 0) + call[field]
  return total
}
