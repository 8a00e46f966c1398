import type { FinishReason, ModelCall, ModelUsage } from './provider.ts'

/** A provider that said nothing of it. */
export const noUsage: ModelUsage = Object.freeze({
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
})

/** After a tool result a model may end its turn without another word; at the start of a turn silence is a failure. */
export const maySayNothing = ({ messages }: Pick<ModelCall, 'messages'>): boolean => messages.at(-1)?.role === 'tool'

/** Whether an answer without content that ended so is a failure: cut off by a limit or a filter, it says so itself. */
export const isSilent = (reason: FinishReason): boolean => reason === 'stop' || reason === 'tool_calls' || reason === 'other'
