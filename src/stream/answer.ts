import type { CallPart, MessageRow, Part } from '../db/store.ts'
import { partOtid } from '../wire/id.ts'
import type {
  AssistantMessage,
  HiddenReasoningMessage,
  LettaMessage,
  MessageHead,
  ReasoningMessage,
  ToolCallMessage,
} from '../wire/message.ts'
import { wireDate } from '../wire/message.ts'

/**
 * A model's answer as it grows: takes pieces, keeps the whole parts, and says each piece as a message of its own. All pieces
 * of one part share an otid (streaming.md §3.2); all calls are one message. A stored answer is said by the same code, so
 * deltas merged and rows listed cannot differ.
 */
export class Answer {
  readonly parts: Part[] = []
  readonly #row: RowHead
  readonly #date: string
  #index = -1
  #open: Part['type'] | undefined
  #otid = ''
  #callsOtid: string | undefined

  constructor(row: RowHead) {
    this.#row = row
    this.#date = wireDate(row.date)
  }

  text(text: string, signature?: string | null): AssistantMessage | undefined {
    if (text === '' && !signature) return undefined
    const open = this.parts.at(-1)
    if (this.#open === 'text' && open?.type === 'text' && !open.signature) {
      open.text += text
      if (signature) open.signature = signature
    } else this.#begin({ type: 'text', text, ...(signature && { signature }) })
    return { ...this.#head('assistant_message', this.#otid), content: text }
  }

  reasoning(text: string, signature?: string | null, native = true): ReasoningMessage | undefined {
    const open = this.parts.at(-1)
    // A signature is of all that came before it: what follows is another part.
    if (this.#open === 'reasoning' && open?.type === 'reasoning' && !open.signature) {
      if (text === '' && !signature) return undefined
      open.reasoning += text
      if (signature) open.signature = signature
    } else {
      // A blank before the first word is nothing to show (streaming.md §3.6).
      if (text.trim() === '' && !signature) return undefined
      this.#begin({ type: 'reasoning', is_native: native, reasoning: text, ...(signature && { signature }) })
    }
    return {
      ...this.#head('reasoning_message', this.#otid),
      source: native ? 'reasoner_model' : 'non_reasoner_model',
      reasoning: text,
      signature: signature || null,
    }
  }

  /** `data` is what a provider gave instead of its reasoning; null when it gave nothing. */
  hiddenReasoning(data: string | null): HiddenReasoningMessage {
    this.#begin(data === null ? { type: 'omitted_reasoning' } : { type: 'redacted_reasoning', data })
    return {
      ...this.#head('hidden_reasoning_message', this.#otid),
      state: data === null ? 'omitted' : 'redacted',
      hidden_reasoning: data,
    }
  }

  /** `args` is a piece of a JSON text. */
  call(id: string, name: string, args: string, signature?: string | null): ToolCallMessage {
    const known = this.parts.find((part): part is CallPart => part.type === 'tool_call' && part.id === id)
    if (known) known.arguments += args
    else {
      const part: CallPart = { type: 'tool_call', id, name, arguments: args, ...(signature && { signature }) }
      if (this.#callsOtid === undefined) {
        this.#begin(part)
        this.#callsOtid = this.#otid
      } else {
        this.parts.push(part)
        this.#open = 'tool_call'
      }
    }
    const piece = { name, ...(args !== '' && { arguments: args }), tool_call_id: id }
    return { ...this.#head('tool_call_message', this.#callsOtid!), tool_call: piece, tool_calls: piece }
  }

  /** Says a whole part; nothing for what an answer cannot hold. */
  part(part: Part): LettaMessage | undefined {
    switch (part.type) {
      case 'text':
        return this.text(part.text, part.signature)
      case 'reasoning':
        return this.reasoning(part.reasoning, part.signature, part.is_native)
      case 'redacted_reasoning':
        return this.hiddenReasoning(part.data)
      case 'omitted_reasoning':
        return this.hiddenReasoning(null)
      case 'summarized_reasoning':
        return this.reasoning(part.summary.map(({ text }) => text).join('\n\n'), part.encrypted_content)
      case 'tool_call':
        return this.call(part.id, part.name, part.arguments, part.signature)
      default:
        return undefined
    }
  }

  #begin(part: Part) {
    this.parts.push(part)
    this.#open = part.type
    this.#otid = partOtid(this.#row.id, ++this.#index)
  }

  #head<T extends string>(type: T, otid: string): MessageHead & { message_type: T } {
    return headOf(this.#row, type, otid, this.#date)
  }
}

export type RowHead = Pick<MessageRow, 'id' | 'date' | 'name' | 'senderId' | 'stepId' | 'isErr' | 'runId'>

/** The fields that every message has, in the order they are written (streaming.md §3.1). */
export const headOf = <T extends string>(row: RowHead, type: T, otid: string | null, date = wireDate(row.date)) => ({
  id: row.id,
  date,
  name: row.name,
  message_type: type,
  otid,
  sender_id: row.senderId,
  step_id: row.stepId,
  is_err: row.isErr || null,
  seq_id: null as number | null,
  run_id: row.runId,
})
