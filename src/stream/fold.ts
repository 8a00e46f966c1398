import type { ErrorMessage, EventMessage, Frame, LettaMessage, StopReason, ToolCall, ToolCallDelta } from '../wire/message.ts'
import type { UsageStatistics } from '../wire/usage.ts'
import { readFrame, splitFrames } from './frame.ts'

/** A whole stream: its messages merged, and how it ended. */
export interface Folded {
  messages: LettaMessage[]
  stopReason: StopReason | undefined
  usage: UsageStatistics | undefined
  error: ErrorMessage | undefined
}

/** Merges the deltas of a stream to whole messages (streaming.md §A). */
export class Folding {
  readonly #messages = new Map<string, LettaMessage>()
  #stopReason: StopReason | undefined
  #usage: UsageStatistics | undefined
  #error: ErrorMessage | undefined

  /** Takes whole frames. */
  read(text: string): void {
    for (const frame of splitFrames(text)) {
      const message = readFrame(frame)
      if (message) this.add(message)
    }
  }

  /** @returns the whole message that it was a part of, so far */
  add(message: Frame): LettaMessage | undefined {
    switch (message.message_type) {
      case 'ping':
        return undefined
      case 'stop_reason':
        this.#stopReason = message
        return undefined
      case 'usage_statistics':
        this.#usage = message
        return undefined
      case 'error_message':
        this.#error = message
        return undefined
      case 'event_message':
        if (message.event_type === 'step_retry') for (const otid of withdrawnBy(message)) this.#messages.delete(otid)
        this.#messages.set(message.id, message)
        return message
      default: {
        const key = keyOf(message)
        const known = this.#messages.get(key)
        const merged = known ? merge(known, message) : whole(message)
        this.#messages.set(key, merged)
        return merged
      }
    }
  }

  result(): Folded {
    return {
      messages: [...this.#messages.values()],
      stopReason: this.#stopReason,
      usage: this.#usage,
      error: this.#error,
    }
  }
}

/** The same for all deltas of a message. */
export const keyOf = (message: LettaMessage): string =>
  message.message_type === 'event_message' ? message.id : (message.otid ?? message.id + message.message_type)

/** What a step had shown that is made again (design §5 row 7). */
export const withdrawnBy = ({ event_data: data }: EventMessage) =>
  Array.isArray(data['otids']) ? data['otids'].map(String) : []

/** The date, the id and the number stay those of the first delta. */
function merge(known: LettaMessage, delta: LettaMessage): LettaMessage {
  if (known.message_type === 'reasoning_message' && delta.message_type === 'reasoning_message') {
    known.reasoning += delta.reasoning
    known.signature ??= delta.signature
    return known
  }
  if (known.message_type === 'assistant_message' && delta.message_type === 'assistant_message') {
    known.content = textOf(known.content) + textOf(delta.content)
    return known
  }
  if (known.message_type === 'hidden_reasoning_message' && delta.message_type === 'hidden_reasoning_message') {
    if (delta.hidden_reasoning !== null) known.hidden_reasoning = (known.hidden_reasoning ?? '') + delta.hidden_reasoning
    return known
  }
  if (isCalls(known) && isCalls(delta)) {
    // A merged message always holds an array of whole calls.
    const calls = known.tool_calls as ToolCall[]
    for (const part of callsOf(delta)) mergeCall(calls, part)
    known.tool_call = calls[0]!
    return known
  }
  return delta
}

/** A first delta as a message of its own: calls become an array of whole ones. */
function whole(message: LettaMessage): LettaMessage {
  if (!isCalls(message)) return message
  const calls: ToolCall[] = []
  for (const part of callsOf(message)) mergeCall(calls, part)
  return { ...message, tool_call: calls[0]!, tool_calls: calls }
}

type Calls = Extract<LettaMessage, { tool_calls: unknown; tool_call: unknown }>
const isCalls = (message: LettaMessage): message is Calls =>
  message.message_type === 'tool_call_message' || message.message_type === 'approval_request_message'

/** An array is complete calls, an object is a delta (streaming.md §A, rule 3). */
const callsOf = ({ tool_calls, tool_call }: Calls): ToolCallDelta[] =>
  Array.isArray(tool_calls) ? tool_calls : [tool_calls ?? tool_call]

function mergeCall(calls: ToolCall[], delta: ToolCallDelta) {
  const known = delta.tool_call_id ? calls.find((call) => call.tool_call_id === delta.tool_call_id) : calls.at(-1)
  if (!known) {
    calls.push({ name: delta.name ?? '', arguments: delta.arguments ?? '', tool_call_id: delta.tool_call_id ?? '' })
    return
  }
  if (delta.name) known.name = delta.name
  known.arguments += delta.arguments ?? ''
}

const textOf = (content: string | { text: string }[]) =>
  typeof content === 'string' ? content : content.map((part) => part.text).join('')
