import { distinct } from '../members.ts'
import type { LentTool, Member } from '../scene.ts'
import { type Chat, type Ending, endsChat } from './manager.ts'

/** Hand-overs in one request, when the group sets no limit: enough for each to have it a few times. */
const HANDOVERS_EACH = 4

/**
 * The first member has the word until it hands over to another, by a tool of its own for each, or ends its turn without
 * (design §5 row 18).
 */
export async function swarm({ members, maxTurns, speak }: Chat): Promise<Ending> {
  const all = distinct(members)
  const tools = handovers(all)
  let speaker = all[0]!
  for (let turn = 0; turn < (maxTurns ?? all.length * HANDOVERS_EACH); turn++) {
    const others = all.filter(({ id }) => id !== speaker.id)
    const said = await speak(speaker, { tools: others.map((other) => tools.get(other)!) })
    if (endsChat(said)) return { stop: said.stop, endedBy: null }
    // The first hand-over counts.
    const [next] = said.calls.flatMap(({ name }) => others.find((other) => tools.get(other)!.spec.name === name) ?? [])
    if (!next) return { stop: 'end_turn', endedBy: 'no_handover' }
    speaker = next
  }
  return { stop: 'end_turn', endedBy: 'max_turns' }
}

/** A tool for each member. Its name may hold letters, digits, `_` and `-` only, so names that differ in others get a number. */
function handovers(members: Member[]): Map<Member, LentTool> {
  const taken = new Set<string>()
  const nameFor = ({ name }: Member) => {
    const plain = `transfer_to_${name.replace(/[^A-Za-z0-9_-]+/g, '_')}`.slice(0, 60)
    let unique = plain
    for (let number = 2; taken.has(unique); number++) unique = `${plain}_${number}`
    taken.add(unique)
    return unique
  }
  return new Map(members.map((member) => [member, transferTo(member.name, nameFor(member))]))
}

const transferTo = (member: string, name: string): LentTool => ({
  spec: {
    name,
    description: `Hands the conversation over to ${member}.`,
    parameters: { type: 'object', properties: {} },
  },
  result: () => ({ text: `${member} has the word.`, isError: false }),
})
