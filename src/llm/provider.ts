import type { ModelSettings } from '../wire/model.ts'

/** What the house knows of a model's maker: one file implements it, one line in index.ts registers it. */
export interface Provider {
  /** The part of a handle before the `/`. */
  name: string
  /** `provider_type` / `model_endpoint_type` on the wire. */
  type: string
  /** Where calls go; shown as `model_endpoint`. */
  endpoint: string
  /** Model names that this provider is known to serve; what is not listed may work all the same. Never throws. */
  list(): Promise<string[]>
  /** How many tokens `model` can see. */
  contextWindow(model: string): number
  /**
   * One model call. `hear` is told what each network chunk brought, in order, and last a `finish` delta, which an answer that was
   * cut off never has; then the call resolves. Passing failures are met by further tries, each told by a `retrying` delta; none
   * is made once anything else was told. The call belongs to the provider, which may empty it then.
   *
   * @throws {ProviderError} for every failure but an abort, the same class before and after the first delta
   * @throws the signal's reason when `call.signal` aborts; the upstream connection is closed then, and nothing more is told
   * @throws what `hear` throws
   */
  stream(call: ModelCall, hear: Hear): Promise<void>
}

/** Takes deltas within the callback of the socket that brought them. A promise holds the answer back until it resolves. */
export type Hear = (deltas: Delta[]) => Promise<void> | undefined

export interface ModelCall {
  /** The part of the handle after the first `/`. */
  model: string
  system: string
  messages: PromptMessage[]
  tools: ToolSpec[]
  toolChoice: 'auto' | 'required' | { name: string }
  parallelToolCalls: boolean
  settings: ModelSettings
  signal: AbortSignal
}

export interface ToolSpec {
  name: string
  description: string
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>
}

/** History in no provider's dialect. Roles alternate; each tool call of an assistant message has its result in the next. */
export type PromptMessage =
  | { role: 'user'; content: UserPart[] }
  | { role: 'assistant'; content: AssistantPart[] }
  | { role: 'tool'; results: ToolResult[] }

export type UserPart = { type: 'text'; text: string } | { type: 'image'; mediaType: string; data: string; detail?: string }

/** `signature` is the provider's own proof of its reasoning; it goes back as it came. */
export type AssistantPart =
  | { type: 'text'; text: string; signature?: string }
  | { type: 'reasoning'; text: string; signature?: string }
  | { type: 'redacted_reasoning'; data: string }
  | { type: 'tool_call'; id: string; name: string; arguments: string; signature?: string }

export interface ToolResult {
  id: string
  name: string
  text: string
  isError: boolean
}

export type Delta =
  | { type: 'text'; text: string; signature?: string }
  /** `signature` comes with the last one, whose text may be empty. */
  | { type: 'reasoning'; text: string; signature?: string }
  | { type: 'hidden_reasoning'; state: 'redacted'; data: string }
  | { type: 'hidden_reasoning'; state: 'omitted' }
  /** Every delta of a call carries its id and its whole name; `arguments` is a fragment of a JSON text, never parsed here. */
  | { type: 'tool_call'; id: string; name: string; arguments: string; signature?: string }
  /** Nothing has come yet, and the model is asked for the `attempt`th time in `waitMs`; `reason` is for a person. */
  | { type: 'retrying'; attempt: number; waitMs: number; reason: string }
  | { type: 'finish'; reason: FinishReason; usage: ModelUsage }

export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'content_filter' | 'other'

/** Tokens of one call; null where the provider said nothing. */
export interface ModelUsage {
  promptTokens: number
  completionTokens: number
  totalTokens: number
  cachedInputTokens: number | null
  cacheWriteTokens: number | null
  reasoningTokens: number | null
}
