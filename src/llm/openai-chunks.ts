import { randomBytes } from 'node:crypto'
import type { EventReader } from './answer.ts'
import { fromErrorObject, isRecord, ProviderError, type Origin } from './errors.ts'
import type { Delta, FinishReason, ModelUsage } from './provider.ts'
import { isSilent, noUsage } from './usage.ts'

/** The part of a chat completion chunk that we read; anything may be missing, or be something else. */
interface Chunk {
  error?: unknown
  choices?: { index?: number; delta?: Fragment | null; message?: Fragment | null; finish_reason?: string | null }[] | null
  usage?: Usage | null
}

interface Fragment {
  /** A text, or parts that have one. */
  content?: unknown
  refusal?: unknown
  reasoning_content?: unknown
  reasoning?: unknown
  tool_calls?: unknown
}

interface Usage {
  prompt_tokens?: unknown
  completion_tokens?: unknown
  total_tokens?: unknown
  prompt_tokens_details?: { cached_tokens?: unknown } | null
  completion_tokens_details?: { reasoning_tokens?: unknown } | null
  /** DeepSeek's name for cached tokens. */
  prompt_cache_hit_tokens?: unknown
}

interface Call {
  id: string
  name: string
  /** What came before the name did. */
  held: string
  index: unknown
}

/** The chunks of one chat completion, as OpenAI writes them and as the many who copy it do. */
export class ChatChunks implements EventReader {
  finished = false
  readonly #origin: Origin
  /** Such a model thinks, but shows nothing of it: said once, first (streaming.md §3.6). */
  #hidesReasoning: boolean
  readonly #maySayNothing: boolean
  readonly #calls: Call[] = []
  #reason: FinishReason | undefined
  #usage: ModelUsage = noUsage
  #said = false

  constructor(origin: Origin, options: { hidesReasoning: boolean; maySayNothing: boolean }) {
    this.#origin = origin
    this.#hidesReasoning = options.hidesReasoning
    this.#maySayNothing = options.maySayNothing
  }

  get answered(): boolean {
    return this.#reason !== undefined
  }

  read(data: string, into: Delta[]): void {
    if (data === '[DONE]') {
      this.finished = true
      return
    }
    const chunk = this.#parse(data)
    if (chunk.error) throw fromErrorObject(this.#origin, chunk.error)
    if (chunk.usage) this.#usage = usageOf(chunk.usage)
    const choice = chunk.choices?.[0]
    if (!choice || (choice.index ?? 0) !== 0) return
    if (this.#hidesReasoning) {
      into.push({ type: 'hidden_reasoning', state: 'omitted' })
      this.#hidesReasoning = false
    }
    const fragment = choice.delta ?? choice.message
    if (fragment) this.#readFragment(fragment, into)
    if (choice.finish_reason) this.#reason = reasons.get(choice.finish_reason) ?? 'other'
  }

  end(into: Delta[]): void {
    if (!this.#reason) throw new ProviderError('connection', this.#origin, { detail: 'the answer was cut off before its end' })
    if (this.#calls.some(({ name }) => name === '')) throw this.#malformed('a tool call without a name')
    // Some local servers finish with `stop` after a tool call.
    const reason = this.#reason === 'stop' && this.#calls.length > 0 ? 'tool_calls' : this.#reason
    if (!this.#said && !this.#maySayNothing && isSilent(reason)) throw new ProviderError('empty', this.#origin)
    into.push({ type: 'finish', reason, usage: this.#usage })
    this.finished = true
  }

  #parse(data: string): Chunk {
    let chunk: unknown
    try {
      chunk = JSON.parse(data)
    } catch {
      throw this.#malformed(`not JSON: ${data.slice(0, 200)}`)
    }
    if (typeof chunk !== 'object' || chunk === null) throw this.#malformed(`not an object: ${data.slice(0, 200)}`)
    return chunk
  }

  #readFragment(fragment: Fragment, into: Delta[]): void {
    this.#push('reasoning', fragment.reasoning_content ?? fragment.reasoning, into)
    const { content } = fragment
    if (Array.isArray(content)) for (const part of content) this.#push('text', isRecord(part) ? part['text'] : part, into)
    else this.#push('text', content, into)
    this.#push('text', fragment.refusal, into)
    if (Array.isArray(fragment.tool_calls))
      for (const call of fragment.tool_calls) if (isRecord(call)) this.#readCall(call, into)
  }

  #push(type: 'text' | 'reasoning', text: unknown, into: Delta[]): void {
    if (typeof text !== 'string' || text === '') return
    this.#said = true
    const last = into.at(-1)
    if (last?.type === type) last.text += text
    else into.push({ type, text })
  }

  #readCall({ index, id: givenId, function: given }: Record<string, unknown>, into: Delta[]): void {
    const { name: givenName, arguments: text } = isRecord(given) ? given : {}
    const [id, name] = [asText(givenId), asText(givenName)]
    let call =
      index == null
        ? id
          ? this.#calls.find((known) => known.id === id)
          : this.#calls.at(-1)
        : this.#calls.findLast((known) => known.index === index)
    // Another id beside a name is another call: some number all of theirs 0.
    if (!call || (id && name && call.name && call.id !== id)) {
      call = { id: id || `call_${randomBytes(4).toString('hex')}`, name: '', held: '', index }
      this.#calls.push(call)
      this.#said = true
    }
    const fragment = typeof text === 'string' ? text : text ? JSON.stringify(text) : ''
    if (call.name === '') {
      if (name === '') call.held += fragment
      else into.push({ type: 'tool_call', id: call.id, name: (call.name = name), arguments: call.held + fragment })
    } else if (fragment !== '') into.push({ type: 'tool_call', id: call.id, name: call.name, arguments: fragment })
  }

  #malformed(detail: string): ProviderError {
    return new ProviderError('malformed', this.#origin, { detail })
  }
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : '')

const reasons = new Map<unknown, FinishReason>([
  ['stop', 'stop'],
  ['tool_calls', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['length', 'length'],
  ['content_filter', 'content_filter'],
])

function usageOf(usage: Usage): ModelUsage {
  const promptTokens = count(usage.prompt_tokens) ?? 0
  const completionTokens = count(usage.completion_tokens) ?? 0
  return {
    promptTokens,
    completionTokens,
    totalTokens: count(usage.total_tokens) ?? promptTokens + completionTokens,
    cachedInputTokens: count(usage.prompt_tokens_details?.cached_tokens) ?? count(usage.prompt_cache_hit_tokens),
    cacheWriteTokens: null,
    reasoningTokens: count(usage.completion_tokens_details?.reasoning_tokens),
  }
}

const count = (tokens: unknown): number | null => (Number.isSafeInteger(tokens) && Number(tokens) >= 0 ? Number(tokens) : null)
