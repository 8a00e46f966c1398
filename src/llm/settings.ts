import type { ModelSettings, ResponseFormat } from '../wire/model.ts'

/** What we use of a model's settings, whichever maker's words they are in (groups.md §4.5.2). */
export interface Settings {
  temperature: number | undefined
  maxOutputTokens: number | undefined
  reasoningEffort: string | undefined
  /** Undefined for plain text. */
  responseFormat: Exclude<ResponseFormat, { type: 'text' }> | undefined
  thinking: { enabled: boolean; budgetTokens: number | undefined; visible: boolean } | undefined
  effort: 'low' | 'medium' | 'high' | 'max' | undefined
}

export function readSettings(settings: ModelSettings): Settings {
  const format = settings.response_format ?? settings.response_schema
  return {
    temperature: settings.temperature ?? undefined,
    maxOutputTokens: settings.max_output_tokens ?? undefined,
    reasoningEffort: settings.reasoning?.reasoning_effort,
    responseFormat: !format || format.type === 'text' ? undefined : format,
    thinking: thinkingOf(settings),
    effort: settings.effort ?? undefined,
  }
}

function thinkingOf({ thinking, thinking_config: config }: ModelSettings): Settings['thinking'] {
  if (thinking) return { enabled: thinking.type !== 'disabled', budgetTokens: thinking.budget_tokens, visible: true }
  return config ? { enabled: true, budgetTokens: config.thinking_budget, visible: config.include_thoughts ?? true } : undefined
}
