import type { MessageStream } from '../stream.ts'
import type { Chat, Ending } from './manager.ts'

/** An agent that is talked to directly. */
export async function* alone({ members, speak }: Chat): MessageStream<Ending> {
  const { stop } = yield* speak(members[0]!)
  return { stop, endedBy: null }
}
