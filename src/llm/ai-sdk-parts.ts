import { APICallError, JSONParseError, InvalidResponseDataError, TypeValidationError } from '@ai-sdk/provider'
import type {
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import { connectionError } from './answer.ts'
import { fromErrorObject, fromStatus, isRecord, ProviderError, type Origin } from './errors.ts'
import type { Maker } from './ai-sdk-prompt.ts'
import type { Delta, FinishReason, ModelUsage } from './provider.ts'
import { isSilent } from './usage.ts'

/** The parts of one `doStream`, in our words. */
export class SdkParts {
  finished = false
  readonly #maker: Maker
  readonly #origin: Origin
  readonly #maySayNothing: boolean
  readonly #calls = new Map<string, { name: string; streamed: boolean }>()
  #said = false

  constructor(maker: Maker, origin: Origin, options: { maySayNothing: boolean }) {
    this.#maker = maker
    this.#origin = origin
    this.#maySayNothing = options.maySayNothing
  }

  /** @throws {ProviderError} */
  read(part: LanguageModelV4StreamPart, into: Delta[]): void {
    switch (part.type) {
      case 'text-delta':
      case 'reasoning-delta': {
        const signature = signatureOf(part.providerMetadata)
        if (part.delta === '' && signature === undefined) return
        this.#said = true
        into.push({
          type: part.type === 'text-delta' ? 'text' : 'reasoning',
          text: part.delta,
          ...(signature !== undefined && { signature }),
        })
        return
      }
      case 'reasoning-start': {
        const data = part.providerMetadata?.['anthropic']?.['redactedData']
        if (typeof data === 'string') into.push({ type: 'hidden_reasoning', state: 'redacted', data })
        return
      }
      case 'tool-input-start':
        return this.#startCall(part.id, part.toolName, part.providerMetadata, into)
      case 'tool-input-delta':
        return this.#addArguments(part.id, part.delta, into)
      case 'tool-call':
        // Without arguments nothing was streamed, and some come in one piece.
        if (!this.#calls.has(part.toolCallId)) this.#startCall(part.toolCallId, part.toolName, part.providerMetadata, into)
        if (!this.#calls.get(part.toolCallId)!.streamed) this.#addArguments(part.toolCallId, part.input, into)
        return
      case 'finish':
        return this.#finish(part.finishReason, part.usage, into)
      case 'error':
        throw sdkFailure(this.#origin, part.error)
    }
  }

  #startCall(id: string, name: string, metadata: SharedV4ProviderMetadata | undefined, into: Delta[]): void {
    const signature = signatureOf(metadata)
    this.#said = true
    this.#calls.set(id, { name, streamed: false })
    into.push({ type: 'tool_call', id, name, arguments: '', ...(signature !== undefined && { signature }) })
  }

  #addArguments(id: string, fragment: string, into: Delta[]): void {
    const call = this.#calls.get(id)
    if (!call || fragment === '') return
    call.streamed = true
    into.push({ type: 'tool_call', id, name: call.name, arguments: fragment })
  }

  #finish({ unified, raw }: LanguageModelV4FinishReason, usage: LanguageModelV4Usage, into: Delta[]): void {
    if (unified === 'interrupted')
      throw new ProviderError('connection', this.#origin, { detail: 'the answer was cut off before its end' })
    if (unified === 'error')
      throw new ProviderError('malformed', this.#origin, { detail: `it ended with ${raw ?? 'an error'}` })
    const reason = unified === 'stop' && this.#calls.size > 0 ? 'tool_calls' : reasons[unified]
    if (!this.#said && !this.#maySayNothing && isSilent(reason)) throw new ProviderError('empty', this.#origin)
    into.push({ type: 'finish', reason, usage: usageOf(this.#maker, usage) })
    this.finished = true
  }
}

const reasons: Record<Exclude<LanguageModelV4FinishReason['unified'], 'error' | 'interrupted'>, FinishReason> = {
  stop: 'stop',
  'tool-calls': 'tool_calls',
  length: 'length',
  'content-filter': 'content_filter',
  other: 'other',
}

function signatureOf(metadata: SharedV4ProviderMetadata | undefined): string | undefined {
  const signature = metadata?.['anthropic']?.['signature'] ?? metadata?.['google']?.['thoughtSignature']
  return typeof signature === 'string' ? signature : undefined
}

/** Anthropic's prompt tokens include what was cached; Gemini's completion tokens leave out its reasoning (streaming.md §5.3). */
function usageOf(maker: Maker, { inputTokens, outputTokens }: LanguageModelV4Usage): ModelUsage {
  const promptTokens = inputTokens.total ?? 0
  const allOutput = outputTokens.total ?? 0
  return {
    promptTokens,
    completionTokens: maker === 'google' ? (outputTokens.text ?? allOutput) : allOutput,
    totalTokens: promptTokens + allOutput,
    cachedInputTokens: inputTokens.cacheRead ?? null,
    cacheWriteTokens: inputTokens.cacheWrite ?? null,
    reasoningTokens: outputTokens.reasoning ?? null,
  }
}

/** Whatever form the SDK gives to a failure (stack.md §2). Its own errors hold the whole prompt: they do not become the cause. */
export function sdkFailure(origin: Origin, error: unknown): ProviderError {
  if (error instanceof ProviderError) return error
  if (APICallError.isInstance(error)) {
    const { statusCode, responseBody, responseHeaders, message, cause } = error
    if (statusCode !== undefined && statusCode >= 400)
      return fromStatus(origin, statusCode, responseBody || message, responseHeaders?.['retry-after'])
    return sdkFailure(origin, cause ?? new Error(message))
  }
  if ([JSONParseError, TypeValidationError, InvalidResponseDataError].some((kind) => kind.isInstance(error))) {
    return new ProviderError('malformed', origin, { detail: String(error).slice(0, 300) })
  }
  if (error instanceof Error) {
    const cause = deepest(error)
    return cause instanceof ProviderError ? cause : connectionError(origin, cause)
  }
  const { statusCode, data, message } = isRecord(error) ? error : {}
  if (typeof statusCode === 'number') return fromStatus(origin, statusCode, data ? JSON.stringify(data) : String(message))
  return fromErrorObject(origin, isRecord(data) ? (data['error'] ?? data) : error)
}

/** `fetch failed` and `terminated` say nothing; what is below them does. */
function deepest(error: Error): Error {
  return error.cause instanceof Error ? deepest(error.cause) : error
}
