import { expect, test } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { speakerOf } from '../http/cast.ts'
import { eventually } from '../support/eventually.ts'
import { openReader } from '../support/reader.ts'
import { type Answer, Held } from '../support/scripted-provider.ts'
import { checkTalk, expectOneEnd, storedFrames, talk } from './history.ts'
import { stages, troupe } from './stage.ts'

/*
 * Processes that die between two turns of a group of four: what was said is not asked for again, and the others go on.
 */

const stage = stages()

const choose = (name: string): Answer => ({
  toolCalls: [{ name: 'choose_next_participant', arguments: JSON.stringify({ name }) }],
})
const broadcast: Answer = {
  toolCalls: [{ name: 'send_message_to_all_agents_in_group', arguments: '{"message": "Report!"}' }],
}

interface Play {
  members: string[]
  manager?: string
  /** What the manager says, in turn. */
  lines?: Answer[]
  /** Whose answer does not come before the process dies. */
  held: string[]
  /** Who is asked before that, and whose words a reader has by then. */
  before: string[]
  said: string[]
  /** How often each is asked in the end. */
  asked: Record<string, number>
}

const plays: Record<string, Play> = {
  round_robin: {
    members: ['Ann', 'Bob', 'Cyd', 'Dan'],
    held: ['Cyd'],
    before: ['Ann', 'Bob', 'Cyd'],
    said: ['Ann', 'Bob'],
    asked: { Ann: 1, Bob: 1, Cyd: 2, Dan: 1 },
  },
  dynamic: {
    members: ['Ann', 'Bob', 'Cyd'],
    manager: 'Max',
    lines: [choose('Bob'), choose('Ann'), choose('Cyd')],
    held: ['Cyd'],
    before: ['Max', 'Bob', 'Max', 'Ann', 'Max', 'Cyd'],
    said: ['Ann', 'Bob'],
    asked: { Max: 3, Ann: 1, Bob: 1, Cyd: 2 },
  },
  supervisor: {
    members: ['Ann', 'Bob', 'Cyd'],
    manager: 'Max',
    lines: [broadcast, { text: 'All have reported.' }],
    held: ['Bob', 'Cyd'],
    before: ['Ann', 'Bob', 'Cyd', 'Max'],
    said: ['Ann'],
    asked: { Max: 2, Ann: 1, Bob: 2, Cyd: 2 },
  },
}

test.each(Object.entries(plays))(
  'F4 a %s run whose process dies after two turns goes on with the third, and nobody is asked twice who has spoken',
  async (type, { members, manager, lines = [], held, before, said, asked }) => {
    const { llm, start, hold, asked: order } = await arrange(manager, lines)
    const server = await start()
    const groupId = await troupe(server, type, members, { manager })
    hold(held)
    const one = await talk(server.url, { groupId, input: 'Hi', tokens: false, readers: 2 })
    await llm.received(before.length)
    // What comes in whole messages is stored when it comes.
    for (const { until } of one.readers)
      await until((seen) => said.every((name) => seen.some(({ text }) => text.includes(`${name} speaks.`))))
    await server.kill('SIGKILL')
    expect(type === 'supervisor' ? order().toSorted() : order()).toEqual(before)

    hold([])
    const next = await start()
    const { seen } = one.readers[0]!
    const headers = { 'last-event-id': String(seen.at(-1)!.id) }
    const back = await openReader(`${next.url}/v1/runs/${one.runId}/stream`, { headers })
    expect(await back.ended).toBe('end')
    const { frames } = await checkTalk(next.url, one)
    expect([...seen, ...back.seen].map(({ text }) => text)).toEqual(frames)
    expect(await next.api.get<Run>(`/v1/runs/${one.runId}`)).toMatchObject({ status: 'completed' })
    expect(counted(order())).toEqual(asked)
    const listed = await next.api.get<LettaMessage[]>(`/v1/groups/${groupId}/messages?order=asc`)
    const spoken = listed.flatMap((message) => (message.message_type === 'assistant_message' ? [message.name] : []))
    expect(spoken.toSorted()).toEqual([...members, ...(type === 'supervisor' ? ['Max'] : [])])
  },
)

test('F4 the background runs of a sleeptime group go on after a crash, and the one that was over is not made again', async () => {
  const { llm, start, hold, asked } = await arrange('Max', [])
  const server = await start()
  const groupId = await troupe(server, 'sleeptime', ['Sue', 'Tim', 'Una'], { manager: 'Max' })
  hold(['Tim', 'Una'])
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: false, readers: 1 })
  await llm.received(4)
  const completed = async () => await server.api.get<Run[]>('/v1/runs/?background=true&statuses=completed')
  await eventually(async () => (await completed()).length === 1)
  await server.kill('SIGKILL')

  hold([])
  const next = await start()
  expect((await checkTalk(next.url, one)).fate).toBe('undisturbed')
  const background = await next.api.get<Run[]>('/v1/runs/?background=true')
  expect(background).toHaveLength(3)
  for (const { id } of background) {
    const frames = await storedFrames(next.url, id)
    expectOneEnd(frames, await next.api.get<Run>(`/v1/runs/${id}`))
    expect(frames.filter((frame) => frame.includes('speaks.'))).toHaveLength(1)
  }
  expect(counted(asked())).toEqual({ Max: 1, Sue: 1, Tim: 2, Una: 2 })
})

/** A model that speaks for each as it is told, or does not until it is told so. */
async function arrange(manager: string | undefined, lines: Answer[]) {
  const set = await stage()
  let silent: string[] = []
  set.llm.script((body) => {
    const speaker = speakerOf(body)
    if (silent.includes(speaker)) return new Held()
    return (speaker === manager && lines.shift()) || { text: `${speaker} speaks.` }
  })
  return { ...set, hold: (names: string[]) => void (silent = names) }
}

function counted(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
