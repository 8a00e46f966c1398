import type { Admission, Afterwards, MessageRow, NewRun, Store } from '../db/store.ts'
import { textOf } from '../stream/expand.ts'
import { newId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { MessageCreate, SendRequest } from '../wire/request.ts'
import { distinct } from './members.ts'

/** The run that background work follows. */
interface Foreground {
  tenant: string
  id: string
  groupId: string | null
  admission: Admission
}

/**
 * What is to be done after a run of a sleeptime or voice_sleeptime group: a run for each member that shows it what was said
 * (groups.md §3.4.3). It is stored with the run's end, so a crash does not lose it.
 */
export async function afterwardsOf(
  store: Store,
  { tenant, id, groupId, admission }: Foreground,
): Promise<Afterwards | undefined> {
  const { sleeptime, managerAgent } = admission
  if (!sleeptime || !managerAgent || groupId === null) return undefined
  const group = { id: groupId, turnsCounter: sleeptime.counter, lastProcessedMessageId: sleeptime.since }
  const said = (await store.listMessages(tenant, { run: id }, pageQuery({ limit: 1000, order: 'asc' }).parse({}))).filter(
    ({ agentId }) => agentId === managerAgent.id,
  )
  const last = said.at(-1)
  if (!last) return { runs: [], evicted: [], group }
  if (sleeptime.buffer) return await overflow(store, admission, sleeptime.buffer, group)
  if (!sleeptime.due) return { runs: [], evicted: [], group }
  const rows = await since(store, tenant, managerAgent.id, groupId, sleeptime.since)
  return {
    runs: backgroundRuns(admission, `${reminder}\n\nMessages:\n${transcript(rows).join('\n')}`),
    evicted: [],
    group: { ...group, lastProcessedMessageId: last.id },
  }
}

/** The manager's rows after the last one that was worked on; of very many the newest. */
async function since(store: Store, tenant: string, agent: string, group: string, worked: string | null): Promise<MessageRow[]> {
  const newest = await store.listMessages(tenant, { agent, group }, pageQuery({ limit: 1000, order: 'desc' }).parse({}))
  const known = newest.findIndex(({ id }) => id === worked)
  return newest.slice(0, known === -1 ? newest.length : known).toReversed()
}

/** Voice: what no longer fits the buffer leaves the context, from the oldest on, and is what the members work on (§3.5). */
async function overflow(
  store: Store,
  admission: Admission,
  { min, max }: { min: number; max: number },
  group: Afterwards['group'],
) {
  const [, ...rows] = await store.contextOf(admission.managerAgent!.id)
  if (rows.length <= max) return { runs: [], evicted: [], group }
  const cut = rows.findIndex(({ role }, index) => index >= rows.length - min && role === 'user')
  const evicted = rows.slice(0, cut === -1 ? rows.length - min : cut)
  const lines = transcript(evicted).map((line, index) => `${index}. ${line}`)
  return {
    runs: backgroundRuns(admission, `${eviction}\n\n${lines.join('\n')}`),
    evicted: evicted.map(({ id }) => id),
    group: { ...group, lastProcessedMessageId: evicted.at(-1)!.id },
  }
}

const { messages: _, ...plain } = SendRequest.parse({ input: ' ' })

function backgroundRuns(admission: Admission, content: string): NewRun[] {
  return distinct(admission.members).map((member) => ({
    id: newId('run'),
    agentId: member.id,
    groupId: null,
    background: true,
    runType: 'sleeptime_agent_send_message_async',
    createdAt: Date.now(),
    admission: {
      ...admission,
      // What the foreground was asked to do differently is not for these agents.
      request: { ...plain, background: true },
      manager: 'agent',
      members: [member],
      managerAgent: null,
      sleeptime: null,
      continues: [],
      answers: [],
      followUps: [MessageCreate.parse({ role: 'user', content })],
    },
  }))
}

/** One line for each thing that was said or done (groups.md §3.4.4). */
export function transcript(rows: MessageRow[]): string[] {
  return rows.flatMap((row) => {
    switch (row.role) {
      case 'system':
        return row.name ? [`${row.name}: ${textOf(row.parts)}`] : []
      case 'user':
        return row.parts.flatMap((part) =>
          part.type === 'text' ? [`${row.name ?? 'user'}: ${part.text}`] : part.type === 'image' ? ['[Image here]'] : [],
        )
      case 'tool':
        return row.parts.flatMap((part) =>
          part.type === 'tool_return' ? [`assistant: Tool call returned ${part.content}`] : [],
        )
      default:
        return row.parts.flatMap((part) => {
          if (part.type === 'text') return [`assistant: ${part.text}`]
          if (part.type === 'reasoning') return [`assistant: <thinking>${part.reasoning}</thinking>`]
          return part.type === 'tool_call' ? [`assistant: Calling tool ${part.name} ${part.arguments}`] : []
        })
    }
  })
}

const reminder = `<system-reminder>
You work in the background, on a conversation that another agent has had; it does not wait for you.
Below is what was said. Lines of "assistant" and "user" are theirs: none of them is you, and nobody reads your answer.
Your task is memory: bring the memory blocks up to date with your tools, as your own blocks tell you.
</system-reminder>`

const eviction = `<system-reminder>
You keep the memory of another agent. The numbered lines below have just left its view. Store what is worth keeping of them,
then bring what is known of the user up to date.
</system-reminder>`
