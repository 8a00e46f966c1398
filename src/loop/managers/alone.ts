import type { Chat, Ending } from './manager.ts'

/** An agent that is talked to directly. */
export async function alone({ members, speak }: Chat): Promise<Ending> {
  const { stop } = await speak(members[0]!)
  return { stop, endedBy: null }
}
