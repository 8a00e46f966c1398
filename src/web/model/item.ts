import { signal } from '@preact/signals'
import { keyOf } from '../../stream/fold.ts'
import type { Approval, LettaMessage, ToolCall, ToolReturn } from '../../wire/message.ts'
import { soon } from './paint.ts'

/** What has become of one call. */
export interface Outcome {
  returned?: ToolReturn
  decision?: Approval
}

/** A message as it grows. Whoever shows it reads `version` first and is shown again when that rises. */
export class Item {
  readonly key: string
  message: LettaMessage
  readonly version = signal(0)
  /** By the ids of its calls. */
  readonly outcomes = signal<Record<string, Outcome>>({})
  /** It is shown where the call is that it belongs to. */
  attached = false

  constructor(message: LettaMessage) {
    this.key = keyOf(message)
    this.message = message
  }

  readonly #show = () => void this.version.value++

  /** It has grown, or is another object now. */
  grow(message: LettaMessage): void {
    this.message = message
    soon(this.#show)
  }

  settle(callId: string, outcome: Outcome): void {
    const known = this.outcomes.peek()
    this.outcomes.value = { ...known, [callId]: { ...known[callId], ...outcome } }
  }
}

/** The whole calls of a message; none when it makes none. */
export function callsOf(message: LettaMessage): ToolCall[] {
  if (message.message_type !== 'tool_call_message' && message.message_type !== 'approval_request_message') return []
  return (Array.isArray(message.tool_calls) ? message.tool_calls : [message.tool_call]) as ToolCall[]
}

/** What a message says about calls that were made before. */
export function outcomesIn(message: LettaMessage): [callId: string, Outcome][] {
  if (message.message_type === 'approval_response_message') {
    return (message.approvals ?? []).map((decision) => [decision.tool_call_id, { decision }])
  }
  if (message.message_type !== 'tool_return_message') return []
  return (message.tool_returns ?? []).map((returned) => [returned.tool_call_id, { returned }])
}

/** The text of content that may have images in it. */
export const textOf = (content: string | { type?: string; text?: string }[]): string =>
  typeof content === 'string' ? content : content.map((part) => part.text ?? '🖼 (an image)').join('\n')
