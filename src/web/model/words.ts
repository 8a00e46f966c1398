import type { StopReasonType } from '../../wire/run.ts'

export const count = (number: number): string => number.toLocaleString('en')

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/** Why a run ended, for a person. */
export const stopWords: Record<StopReasonType, string> = {
  end_turn: 'came to its end',
  error: 'failed',
  llm_api_error: 'the model’s provider failed',
  invalid_llm_response: 'the model answered what cannot be',
  invalid_tool_call: 'a call that cannot be',
  max_steps: 'limit of model calls',
  max_tokens_exceeded: 'limit of tokens',
  no_tool_call: 'no call was made',
  tool_rule: 'a tool ended it',
  cancelled: 'stopped',
  insufficient_credits: 'the budget is used up',
  requires_approval: 'waits for an answer',
  context_window_overflow_in_system_prompt: 'the prompt is too long',
}
