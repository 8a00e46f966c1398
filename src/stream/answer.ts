import type { CallPart, MessageRow, Part } from '../db/store.ts'
import { decrementMessageId, partOtid } from '../wire/id.ts'
import type {
  ApprovalRequestMessage,
  AssistantMessage,
  HiddenReasoningMessage,
  LettaMessage,
  MessageHead,
  ReasoningMessage,
  ToolCallMessage,
} from '../wire/message.ts'
import { wireDate } from '../wire/message.ts'
import { GrowingText } from './growing-text.ts'
import { SpokenText } from './spoken.ts'

/**
 * A model's answer as it grows: takes pieces, keeps the whole parts, and says each piece as a message of its own. All pieces
 * of one part share an otid (streaming.md §3.2); all calls are one message. A stored answer is said by the same code, so
 * deltas merged and rows listed cannot differ.
 */
export class Answer {
  readonly #parts: Part[] = []
  /** What the last part says, once it was said in pieces. */
  #grown: GrowingText | undefined
  readonly #row: RowHead
  readonly #date: string
  #index = -1
  #lastHead: (MessageHead & { message_type: string }) | undefined
  #open: Part['type'] | undefined
  #otid = ''
  #callsOtid: string | undefined
  /** Calls that wait for an answer from outside; they are a message of their own (streaming.md §7.2). */
  readonly pending: CallPart[] = []
  readonly #options: AnswerOptions
  readonly #spoken = new Map<CallPart, { otid: string; text: SpokenText }>()

  constructor(row: RowHead, options: AnswerOptions = {}) {
    this.#row = row
    this.#options = options
    this.#date = wireDate(row.date)
  }

  /** Something of it was said. */
  get begun(): boolean {
    return this.#parts.length > 0 || this.pending.length > 0
  }

  /** What has come so far. */
  get parts(): Part[] {
    this.#settle()
    return this.#parts
  }

  text(text: string, signature?: string | null): AssistantMessage | undefined {
    if (text === '' && !signature) return undefined
    const open = this.#parts.at(-1)
    if (this.#open === 'text' && open?.type === 'text' && !open.signature) {
      this.#grow(open.text, text)
      if (signature) open.signature = signature
    } else this.#begin({ type: 'text', text, ...(signature && { signature }) })
    return { ...this.#head('assistant_message', this.#otid), content: text }
  }

  reasoning(text: string, signature?: string | null, native = true): ReasoningMessage | undefined {
    const open = this.#parts.at(-1)
    // A signature is of all that came before it: what follows is another part.
    if (this.#open === 'reasoning' && open?.type === 'reasoning' && !open.signature) {
      if (text === '' && !signature) return undefined
      this.#grow(open.reasoning, text)
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
  call(id: string, name: string, args: string, signature?: string | null): CallMessage | undefined {
    const { waits, speech } = this.#options
    if (waits?.(name)) return this.#request(id, name, args, signature)
    const known = this.#parts.find((part): part is CallPart => part.type === 'tool_call' && part.id === id)
    if (known?.speaks !== undefined || (!known && name === speech?.tool)) return this.#say(known, { id, name, args, signature })
    if (known) known.arguments += args
    else {
      const part: CallPart = { type: 'tool_call', id, name, arguments: args, ...(signature && { signature }) }
      if (this.#callsOtid === undefined) {
        this.#begin(part)
        this.#callsOtid = this.#otid
      } else {
        this.#settle()
        this.#parts.push(part)
        this.#open = 'tool_call'
      }
    }
    const piece = { name, ...(args !== '' && { arguments: args }), tool_call_id: id }
    return { ...this.#head('tool_call_message', this.#callsOtid!), tool_call: piece, tool_calls: piece }
  }

  /** A call whose argument is what the agent says (streaming.md §2.1, `use_assistant_message`). */
  #say(
    known: CallPart | undefined,
    { id, name, args, signature, speaks }: Pick<CallPart, 'id' | 'name' | 'speaks' | 'signature'> & { args: string },
  ): AssistantMessage | undefined {
    const argument = known?.speaks ?? speaks ?? this.#options.speech!.argument
    const part: CallPart = known ?? {
      type: 'tool_call',
      id,
      name,
      arguments: '',
      speaks: argument,
      ...(signature && { signature }),
    }
    part.arguments += args
    if (!known) {
      this.#begin(part)
      this.#spoken.set(part, { otid: this.#otid, text: new SpokenText(argument) })
    }
    const { otid, text } = this.#spoken.get(part)!
    const content = text.take(args)
    return content === '' ? undefined : { ...this.#head('assistant_message', otid), content }
  }

  #request(id: string, name: string, args: string, signature?: string | null): ApprovalRequestMessage {
    const known = this.pending.find((part) => part.id === id)
    if (known) known.arguments += args
    else this.pending.push({ type: 'tool_call', id, name, arguments: args, ...(signature && { signature }) })
    const requestId = decrementMessageId(this.#row.id)
    const piece = { name, arguments: args === '' ? null : args, tool_call_id: id }
    const head = headOf({ ...this.#row, id: requestId }, 'approval_request_message', requestId, this.#date)
    return { ...head, tool_call: piece, tool_calls: piece }
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
        return part.speaks === undefined
          ? this.call(part.id, part.name, part.arguments, part.signature)
          : this.#say(undefined, { ...part, args: part.arguments })
      default:
        return undefined
    }
  }

  #grow(said: string, more: string) {
    if (!this.#grown) {
      this.#grown = new GrowingText('utf16le')
      this.#grown.add(said)
    }
    this.#grown.add(more)
  }

  #settle() {
    const open = this.#parts.at(-1)
    if (this.#grown && open?.type === 'text') open.text = this.#grown.toString()
    if (this.#grown && open?.type === 'reasoning') open.reasoning = this.#grown.toString()
    this.#grown = undefined
  }

  #begin(part: Part) {
    this.#settle()
    this.#parts.push(part)
    this.#open = part.type
    this.#otid = partOtid(this.#row.id, ++this.#index)
  }

  /** Deltas of one part share theirs. */
  #head<T extends string>(type: T, otid: string): MessageHead & { message_type: T } {
    if (this.#lastHead?.message_type !== type || this.#lastHead.otid !== otid)
      this.#lastHead = headOf(this.#row, type, otid, this.#date)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type was just compared
    return this.#lastHead as MessageHead & { message_type: T }
  }
}

type CallMessage = ToolCallMessage | ApprovalRequestMessage | AssistantMessage

export interface AnswerOptions {
  /** Tools whose calls wait for an answer from outside. */
  waits?: ((tool: string) => boolean) | undefined
  /** The tool that speaks, and which of its arguments is what it says. */
  speech?: { tool: string; argument: string } | undefined
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
