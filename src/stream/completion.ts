import type { ChatCompletion, ChatCompletionChunk, ChatDelta, ChatUsage, FinishReason } from '../wire/completion.ts'
import type { Frame, LettaMessage } from '../wire/message.ts'
import type { StopReasonType } from '../wire/run.ts'
import type { UsageStatistics } from '../wire/usage.ts'

export interface CompletionOptions {
  /** The run's id. */
  id: string
  /** What the caller asked for. */
  model: string
  /** ms since 1970 */
  createdAt: number
  /** Several may speak: say in the text who does. */
  named: boolean
  /** Tools that the caller runs. */
  tools: ReadonlySet<string>
}

/**
 * A run as one chat completion: takes the run's messages in order, gives what each adds to the one answer that OpenAI's format
 * has room for. When another speaker begins, a line `**name:** ` does; thoughts and the tools that agents run are left out.
 */
export class Completion {
  readonly #options: CompletionOptions
  #speaker: string | null = null
  #message: string | null = null
  #began = false
  readonly #calls: string[] = []
  #finish: FinishReason = 'stop'

  constructor(options: CompletionOptions) {
    this.#options = options
  }

  /** What a message, or a piece of one, adds; nothing for what is not shown. */
  take(message: Frame): ChatDelta | undefined {
    switch (message.message_type) {
      case 'assistant_message':
        return this.#say(message)
      case 'approval_request_message':
        return this.#call(message)
      case 'event_message':
        // What was said cannot be taken back here: it is said again, and by whom.
        if (message.event_type === 'step_retry') this.#speaker = null
        return undefined
      case 'stop_reason':
        this.#finish = finishOf(message.stop_reason, this.#calls.length > 0)
        return undefined
      default:
        return undefined
    }
  }

  chunk(delta: ChatDelta, finish: FinishReason | null = null): ChatCompletionChunk {
    return { ...this.#head('chat.completion.chunk'), choices: [{ index: 0, delta, finish_reason: finish }] }
  }

  /** Says why it ended. */
  lastChunk(): ChatCompletionChunk {
    return this.chunk({}, this.#finish)
  }

  usageChunk(usage: UsageStatistics): ChatCompletionChunk {
    return { ...this.#head('chat.completion.chunk'), choices: [], usage: usageOf(usage) }
  }

  /** All at once, from whole messages. */
  whole(messages: LettaMessage[], stop: StopReasonType, usage: UsageStatistics): ChatCompletion {
    let content = ''
    const calls = []
    for (const message of messages) {
      const delta = this.take(message)
      content += delta?.content ?? ''
      for (const { id, function: called } of delta?.tool_calls ?? []) {
        calls.push({ id: id!, type: 'function' as const, function: { name: called.name!, arguments: called.arguments } })
      }
    }
    const message = { role: 'assistant' as const, content: content === '' ? null : content, refusal: null }
    return {
      ...this.#head('chat.completion'),
      choices: [
        {
          index: 0,
          message: calls.length > 0 ? { ...message, tool_calls: calls } : message,
          logprobs: null,
          finish_reason: finishOf(stop, calls.length > 0),
        },
      ],
      usage: usageOf(usage),
    }
  }

  #say({ name, otid, content }: Extract<Frame, { message_type: 'assistant_message' }>): ChatDelta {
    const text = typeof content === 'string' ? content : content.map((part) => part.text).join('')
    const another = name !== this.#speaker
    const gap = this.#began && (another || otid !== this.#message) ? '\n\n' : ''
    const title = another && this.#options.named && name !== null ? `**${name}:** ` : ''
    this.#began = true
    this.#speaker = name
    this.#message = otid
    return { ...(another && name !== null && { name }), content: gap + title + text }
  }

  /** Calls of the caller's own tools; others wait for leave that has to come from somewhere else. */
  #call({ tool_calls, tool_call }: Extract<Frame, { message_type: 'approval_request_message' }>): ChatDelta | undefined {
    const pieces = Array.isArray(tool_calls) ? tool_calls : [tool_calls ?? tool_call]
    const calls = pieces.flatMap(({ name, arguments: args, tool_call_id: id }) => {
      if (!id || !name || !this.#options.tools.has(name)) return []
      const known = this.#calls.indexOf(id)
      if (known >= 0) return [{ index: known, function: { arguments: args ?? '' } }]
      const index = this.#calls.push(id) - 1
      return [{ index, id, type: 'function' as const, function: { name, arguments: args ?? '' } }]
    })
    return calls.length > 0 ? { tool_calls: calls } : undefined
  }

  #head<T extends string>(object: T) {
    const { id, model, createdAt } = this.#options
    return { id, object, created: Math.floor(createdAt / 1000), model }
  }
}

function finishOf(stop: StopReasonType, calls: boolean): FinishReason {
  if (stop === 'max_steps' || stop === 'max_tokens_exceeded') return 'length'
  return stop === 'requires_approval' && calls ? 'tool_calls' : 'stop'
}

const usageOf = (usage: UsageStatistics): ChatUsage => ({
  prompt_tokens: usage.prompt_tokens,
  completion_tokens: usage.completion_tokens,
  total_tokens: usage.total_tokens,
  prompt_tokens_details: { cached_tokens: usage.cached_input_tokens ?? 0 },
  completion_tokens_details: { reasoning_tokens: usage.reasoning_tokens ?? 0 },
})
