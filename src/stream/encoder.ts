import type { Frame, MessageHead } from '../wire/message.ts'
import { doneFrame } from './frame.ts'
import { addFrame, bodyOf, type Envelope } from './packed.ts'

/** A frame as it goes to a reader, and as it is stored behind the frame before it (packed.ts). */
export interface Encoded {
  text: string
  packed: string
}

/**
 * Makes frames of one run's messages. Deltas of one part share all but their number and what they say, so that their envelope is
 * made once: it is the most of a frame.
 */
export class Encoder {
  #head: Headed | undefined
  #envelope: Envelope = { before: '', after: '' }

  encode(message: Frame, seq: number): Encoded {
    if (!('otid' in message)) return this.#whole(message, seq)
    const known = this.#head !== undefined && sameHead(this.#head, message)
    if (!known) {
      this.#head = message
      this.#envelope = envelopeOf(message)
    }
    const said = saidIn(message)
    const pieces: string[] = []
    addFrame(pieces, this.#envelope, seq, said)
    const text = pieces.join('')
    return { text, packed: known ? bodyOf(said) : text }
  }

  /** The end of a run. */
  done(seq: number): Encoded {
    const text = doneFrame(seq)
    return { text, packed: text }
  }

  /** What is not a message: `stop_reason`, usage, an error. */
  #whole(message: Frame, seq: number): Encoded {
    this.#head = undefined
    const json = JSON.stringify({ ...message, seq_id: seq })
    const event = message.message_type === 'error_message' ? 'event: error\n' : ''
    const text = `id: ${seq}\n${event}data: ${json}\n\n`
    return { text, packed: text }
  }
}

type Headed = MessageHead & { message_type: string }

const inHead = new Set<string>([
  'id',
  'date',
  'name',
  'message_type',
  'otid',
  'sender_id',
  'step_id',
  'is_err',
  'seq_id',
  'run_id',
] satisfies (keyof Headed)[])

function envelopeOf({ id, date, name, message_type, otid, sender_id, step_id, is_err, run_id }: Headed): Envelope {
  const head = JSON.stringify({ id, date, name, message_type, otid, sender_id, step_id, is_err })
  return { before: `${head.slice(0, -1)},"seq_id":`, after: `,"run_id":${JSON.stringify(run_id)}` }
}

/** What the message has beside its head, as JSON without its braces. */
function saidIn(message: Headed): string {
  let said = ''
  for (const name of Object.keys(message)) {
    if (inHead.has(name)) continue
    const json = JSON.stringify(message[name as keyof Headed])
    if (json !== undefined) said += said === '' ? `"${name}":${json}` : `,"${name}":${json}`
  }
  return said
}

/** Most often these are the same strings, not merely equal ones. */
const sameHead = (a: Headed, b: Headed): boolean =>
  a.otid === b.otid &&
  a.id === b.id &&
  a.message_type === b.message_type &&
  a.date === b.date &&
  a.name === b.name &&
  a.sender_id === b.sender_id &&
  a.step_id === b.step_id &&
  a.is_err === b.is_err &&
  a.run_id === b.run_id
