import type { CallPart } from '../db/store.ts'
import type { Frame, LettaMessage, ToolCallDelta } from '../wire/message.ts'
import { styled } from './terminal.ts'

const colours = ['cyan', 'magenta', 'yellow', 'green', 'blue', 'red'] as const

/** How a run came out, as its reader sees it. */
export interface Heard {
  stopReason: string | undefined
  error: string | undefined
  /** Calls that wait for leave, and who asks. */
  waiting: { id: string; speaker: string; name: string; arguments: string }[]
}

/** A run on a terminal: a colour for each speaker, thoughts dimmed, tool calls on a line. */
export class Speech {
  readonly #write: (text: string) => void
  readonly #colours = new Map<string, (typeof colours)[number]>()
  readonly #calls = new Map<string, CallPart & { speaker: string; waits: boolean }>()
  #last = ''
  #atLineStart = true
  heard: Heard = { stopReason: undefined, error: undefined, waiting: [] }

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  take(frame: Frame): void {
    switch (frame.message_type) {
      case 'reasoning_message':
        return this.#say(frame, 'dim', frame.reasoning)
      case 'assistant_message':
        return this.#say(
          frame,
          undefined,
          typeof frame.content === 'string' ? frame.content : frame.content.map(({ text }) => text).join(''),
        )
      case 'tool_call_message':
      case 'approval_request_message':
        return this.#call(frame)
      case 'tool_return_message':
        return this.#returned(frame.tool_call_id, frame.status, frame.tool_return)
      case 'summary_message':
        return this.note('older messages were summarised')
      case 'event_message':
        return this.#event(frame.event_type)
      case 'error_message':
        this.heard.error = frame.message
        return
      case 'stop_reason':
        this.heard.stopReason = frame.stop_reason
        return this.#end()
    }
  }

  /** Something that nobody said. */
  note(text: string): void {
    this.#line(styled('dim', `(${text})`))
  }

  #say(message: LettaMessage, style: 'dim' | undefined, text: string) {
    this.#speaker(message, style === 'dim' ? 'thinks' : '')
    this.#put(style ? styled(style, text) : text)
  }

  /** Who speaks, when it is another one, or another message. */
  #speaker({ name, otid, id }: LettaMessage, how: string) {
    const key = `${otid ?? id} ${how}`
    if (key === this.#last) return
    this.#last = key
    if (!this.#atLineStart) this.#write('\n')
    this.#write(`${styled(['bold', this.#colourOf(name ?? '?')], name ?? '?')}${how ? styled('dim', ` ${how}`) : ''}: `)
    this.#atLineStart = false
  }

  #colourOf(name: string) {
    const known = this.#colours.get(name)
    if (known) return known
    const colour = colours[this.#colours.size % colours.length]!
    this.#colours.set(name, colour)
    return colour
  }

  #call(message: Extract<LettaMessage, { message_type: 'tool_call_message' | 'approval_request_message' }>) {
    const { tool_calls: calls, tool_call: first, message_type: type } = message
    for (const call of Array.isArray(calls) ? calls : [calls ?? first])
      this.#piece(call, message.name ?? '?', type === 'approval_request_message')
  }

  #piece(call: ToolCallDelta, speaker: string, waits: boolean) {
    const id = call.tool_call_id ?? ''
    const known = this.#calls.get(id)
    if (known) known.arguments += call.arguments ?? ''
    else this.#calls.set(id, { type: 'tool_call', id, name: call.name ?? '', arguments: call.arguments ?? '', speaker, waits })
  }

  #returned(id: string, status: string, text: string) {
    const call = this.#calls.get(id)
    if (call) this.#showCall(call)
    this.#calls.delete(id)
    this.#line(styled(status === 'error' ? 'red' : 'dim', `  ${status === 'error' ? '✗' : '→'} ${brief(text)}`))
  }

  #showCall({ speaker, name, arguments: args }: { speaker: string; name: string; arguments: string }) {
    this.#line(`${styled(['bold', this.#colourOf(speaker)], speaker)} ${styled('dim', `calls ${name}(${brief(args)})`)}`)
  }

  #event(type: string) {
    if (type === 'step_retry') {
      this.#calls.clear()
      this.note('what was being said is withdrawn; it begins again')
    }
  }

  #end() {
    for (const call of this.#calls.values()) {
      if (call.waits) this.heard.waiting.push(call)
      this.#showCall(call)
    }
    this.#calls.clear()
    if (!this.#atLineStart) this.#put('\n')
  }

  #line(text: string) {
    if (!this.#atLineStart) this.#write('\n')
    this.#write(`${text}\n`)
    this.#atLineStart = true
    this.#last = ''
  }

  #put(text: string) {
    if (text === '') return
    this.#write(text)
    this.#atLineStart = text.endsWith('\n')
  }
}

const brief = (text: string) => {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}
