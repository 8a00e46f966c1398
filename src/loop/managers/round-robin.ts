import { type Chat, type Ending, endsChat } from './manager.ts'

/** The members speak in the group's order, over and over, for `maxTurns` turns; by default once each (groups.md §3.1.2). */
export async function roundRobin({ members, maxTurns, speak }: Chat): Promise<Ending> {
  for (let turn = 0; turn < (maxTurns ?? members.length); turn++) {
    const said = await speak(members[turn % members.length]!)
    if (endsChat(said)) return { stop: said.stop, endedBy: null }
  }
  return { stop: 'end_turn', endedBy: 'max_turns' }
}
