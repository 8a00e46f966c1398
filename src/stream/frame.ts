import type { Frame } from '../wire/message.ts'

/*
 * A frame is what a reader gets for one event: an `id:` line with its number, `event: error` on an error frame, one `data:`
 * line, a blank line (streaming.md §1.1, §11). It is made once, by encoder.ts; every reader gets the same text.
 */

export const doneFrame = (seq: number): string => `id: ${seq}\ndata: [DONE]\n\n`

/** The frames of a text of whole frames. JSON has no raw line feed, so a blank line ends a frame and nothing else does. */
export function splitFrames(text: string): string[] {
  const frames: string[] = []
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\n\n', at) + 2
    frames.push(text.slice(at, end))
    at = end
  }
  return frames
}

/** A frame's message, or null for `[DONE]`. */
export function readFrame(text: string): Frame | null {
  const data = text.slice(text.indexOf('data: ') + 6, -2)
  return data === '[DONE]' ? null : (JSON.parse(data) as Frame)
}
