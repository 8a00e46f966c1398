import { EventSourceParserStream } from 'eventsource-parser/stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Frame } from '../wire/message.ts'
import { type Client, Unreachable } from './client.ts'

export interface FollowOptions {
  /** The last frame that was seen. */
  after?: number
  /** Called once for each time that the line is lost, and once when it is back. */
  onLine?: (there: boolean) => void
}

const LONGEST_WAIT_MS = 2000

/**
 * A run's frames, to its end. A lost connection, or a server that was started anew, is come back to at the very frame: each frame
 * comes once. It waits for the server as long as it takes.
 *
 * @throws {ServerRefusal} when the server says no
 */
export async function* follow(
  client: Client,
  runId: string,
  { after = 0, onLine = () => {} }: FollowOptions = {},
): AsyncGenerator<Frame, void, void> {
  for (let lost = 0; ;) {
    try {
      const answer = await client.open('GET', `/v1/runs/${runId}/stream?starting_after=${after}`)
      if (answer.status === 204) return
      if (lost > 0) onLine(true)
      lost = 0
      const events = answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
      for await (const { id, data } of events) {
        if (id !== undefined) after = Number(id)
        if (data === '[DONE]') return
        yield JSON.parse(data) as Frame
      }
    } catch (error) {
      if (!isLost(error)) throw error
    }
    // Without its end, it was cut off.
    if (lost++ === 0) onLine(false)
    await again(lost)
  }
}

/** Does it until the server has taken it: for what may be asked twice. */
export async function persist<T>(work: () => Promise<T>, onLine: (there: boolean) => void = () => {}): Promise<T> {
  for (let lost = 0; ;) {
    try {
      const done = await work()
      if (lost > 0) onLine(true)
      return done
    } catch (error) {
      if (!isLost(error)) throw error
    }
    if (lost++ === 0) onLine(false)
    await again(lost)
  }
}

/** `fetch` says TypeError when a body is cut. */
const isLost = (error: unknown) => error instanceof Unreachable || error instanceof TypeError

/** With jitter: many may have been cut off at once. */
const again = (times: number) => sleep(Math.min(LONGEST_WAIT_MS, 50 * 2 ** times) * (0.5 + Math.random() / 2))
