import type { EventMessage } from '../../wire/message.ts'
import './note.css'

/** Something that nobody said. */
export function Note({ text }: { text: string }) {
  return <p class="note">{text}</p>
}

/** What an event is, in words. */
export function wordsOfEvent({ event_type: type, event_data: data }: EventMessage): string {
  switch (type) {
    case 'speaker_choice':
      return `${textIn(data['chosen'])} speaks next: ${textIn(data['because'])}.`
    case 'step_retry':
      return `${textIn(data['reason']).replace(/\.?$/, '.')} What it had said is taken back, and it is made again.`
    case 'tool_retry':
      return 'A tool call may have been made before the interruption; it is made again.'
    case 'compaction':
      return 'The older part of the conversation is being summarised.'
    default:
      return type.replaceAll('_', ' ')
  }
}

const textIn = (value: unknown) => (typeof value === 'string' ? value : '')
