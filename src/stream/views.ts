import type { MessageType } from '../wire/message.ts'
import { readFrame, splitFrames } from './frame.ts'

/**
 * What one client must not see, or sees written differently. A view leaves frames out; it never renumbers them, so a cursor
 * means the same to everybody (design §5 row 31). No view, no cost: the text goes out as it is stored.
 */
export type View = (text: string) => string

export interface ViewOptions {
  includePings: boolean
  /** null shows all */
  types: MessageType[] | null
  /** A 0.x client, which sends `X-Fern-Language`. */
  fern: boolean
}

export function viewFor({ includePings, types, fern }: ViewOptions): View | undefined {
  const hidden = new Set<string>()
  if (!includePings || fern) hidden.add('ping')
  if (fern) hidden.add('stop_reason')
  if (hidden.size === 0 && !types) return undefined
  const shown = types && new Set<string>([...types, ...unfiltered])
  return (text) => {
    const kept = splitFrames(text).filter((frame) => {
      const message = readFrame(frame)
      const type = message?.message_type
      // Whoever is shown what a step says is told when that does not count.
      if (type === 'event_message' && message?.message_type === type && message.event_type === 'step_retry') return true
      return type === undefined || (!hidden.has(type) && (!shown || shown.has(type)))
    })
    return fern ? kept.map(plain).join('') : kept.join('')
  }
}

/** Never filtered by `include_return_message_types` (streaming.md §2.5). */
const unfiltered = ['ping', 'stop_reason', 'usage_statistics', 'error_message']

/** 0.x clients decode each network chunk alone, and stop at any line with `[DONE]` in it (streaming.md §1.1). */
const plain = (frame: string) =>
  frame.endsWith('data: [DONE]\n\n')
    ? frame
    : frame
        .replaceAll('[DONE]', '\\u005bDONE]')
        .replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
