import { parseArguments } from '../../tools/arguments.ts'
import type { CallPart } from '../../db/store.ts'
import type { LentTool, Member } from '../scene.ts'
import { distinct } from '../members.ts'
import { type Chat, type Ending, endsChat, type Settled } from './manager.ts'

const BROADCAST = 'send_message_to_all_agents_in_group'

/**
 * The manager agent asks all members at once; they work at the same time, and it answers the user with what they found
 * (design §5 row 14).
 */
export async function supervisor({ members, manager, speak, together, answer }: Chat): Promise<Ending> {
  const chief = manager!
  const asked = await speak(chief, {
    note: 'You lead this group. First say to all its members, with your tool, what you want from them; you get their answers back.',
    tools: [broadcast],
    mustCall: BROADCAST,
    maxSteps: 2,
  })
  if (endsChat(asked)) return { stop: asked.stop, endedBy: null }
  const calls = asked.calls.filter(isBroadcast)
  if (calls.length > 0) {
    const workers = distinct(members)
    const heardBy = (worker: Member) => workers.flatMap(({ id }) => (id === worker.id ? [] : [id]))
    const answers = await together(workers.map((worker) => speak(worker, { listeners: heardBy(worker) })))
    const paused = answers.some((said) => 'stop' in said && said.stop === 'requires_approval')
    if (paused) return { stop: 'requires_approval', endedBy: null }
    await answer(chief, asked, calls, JSON.stringify(workers.map((worker, index) => entry(worker, answers[index]!))))
  } else if (asked.said.length > 0) {
    // A model that does as it likes has answered by itself.
    return { stop: asked.stop, endedBy: 'no_broadcast' }
  }
  const { stop } = await speak(chief)
  return { stop, endedBy: null }
}

const broadcast: LentTool = {
  spec: {
    name: BROADCAST,
    description: 'Says something to every member of the group and gives you the answer of each.',
    parameters: {
      type: 'object',
      properties: { message: { type: 'string', description: 'What all of them shall know or do.' } },
      required: ['message'],
    },
  },
  result: ({ message }) =>
    typeof message === 'string' ? 'later' : { text: 'The argument "message" must be a string', isError: true },
  says: ({ message }) => String(message),
}

/** One that is in order, and so waits for its result. */
function isBroadcast({ name, arguments: args }: CallPart): boolean {
  try {
    return name === BROADCAST && broadcast.result(parseArguments(args)) === 'later'
  } catch {
    return false
  }
}

/** One entry for each member, whatever became of it. */
function entry({ id, name }: Member, answered: Settled) {
  if ('failure' in answered) return { agent_id: id, name, error: answered.failure }
  return { agent_id: id, name, response: answered.said }
}
