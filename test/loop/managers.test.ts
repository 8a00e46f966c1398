import { describe, expect, test } from 'vitest'
import type { CallPart } from '../../src/db/store.ts'
import { dynamic } from '../../src/loop/managers/dynamic.ts'
import type { Ending, Manager } from '../../src/loop/managers/manager.ts'
import { roundRobin } from '../../src/loop/managers/round-robin.ts'
import { sleeptime } from '../../src/loop/managers/sleeptime.ts'
import { supervisor } from '../../src/loop/managers/supervisor.ts'
import { swarm } from '../../src/loop/managers/swarm.ts'
import { together } from '../../src/loop/merge.ts'
import type { TurnOptions } from '../../src/loop/scene.ts'
import type { Said } from '../../src/loop/turn.ts'

/** What a turn brings; a text is what is said. */
type Turn = string | (Partial<Pick<Said, 'stop' | 'said' | 'calls'>> & { fails?: Error })

interface Play {
  members: string[]
  manager?: string
  maxTurns?: number | null
  token?: string | null
  /** The turns in the order in which they are begun; after the last all say nothing. */
  turns?: Turn[]
}

/** Plays a manager with scripted members, and writes down who was let speak, how, and what came of it. */
async function play(of: Manager, { members, manager, maxTurns = null, token = null, turns = [] }: Play) {
  const spoke: string[] = []
  const options: TurnOptions[] = []
  const answers: { to: string; calls: string[]; text: string }[] = []
  const notes: unknown[] = []
  const ending: Ending = await of({
    members: members.map((name) => ({ id: name, name })),
    manager: manager === undefined ? undefined : { id: manager, name: manager },
    description: 'A test.',
    maxTurns,
    terminationToken: token,
    async speak({ name }, given = {}) {
      const turn = turns[spoke.length] ?? {}
      const at = { turn: spoke.length, place: 0, agentId: name }
      spoke.push(name)
      options.push(given)
      if (typeof turn === 'string') return { stop: 'end_turn', said: [turn], calls: [], at }
      if (turn.fails) throw turn.fails
      return { stop: 'end_turn', said: [], calls: [], at, ...turn }
    },
    together,
    async answer({ name }, _said, calls, text) {
      answers.push({ to: name, calls: calls.map(({ id }) => id), text })
    },
    async announce(type, data) {
      notes.push({ type, ...data })
    },
  })
  return { spoke: spoke.join(' '), ending, options, answers, notes }
}

const call = (name: string, args: unknown, id = 'call_1'): CallPart => ({
  type: 'tool_call',
  id,
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
})
const turnsOver = { stop: 'end_turn', endedBy: 'max_turns' }

describe('round robin', () => {
  test('everybody speaks once, in the group’s order', async () => {
    expect(await play(roundRobin, { members: ['a', 'b', 'c'] })).toMatchObject({ spoke: 'a b c', ending: turnsOver })
  })

  test('more turns go round again, fewer leave some silent, and one who is there twice speaks twice', async () => {
    expect((await play(roundRobin, { members: ['a', 'b', 'c'], maxTurns: 5 })).spoke).toBe('a b c a b')
    expect((await play(roundRobin, { members: ['a', 'b', 'c'], maxTurns: 2 })).spoke).toBe('a b')
    expect((await play(roundRobin, { members: ['a', 'b', 'a'] })).spoke).toBe('a b a')
  })

  test('a turn that a tool ended is a turn; one that a limit ended ends the conversation', async () => {
    expect((await play(roundRobin, { members: ['a', 'b'], turns: [{ stop: 'tool_rule' }] })).spoke).toBe('a b')
    expect(await play(roundRobin, { members: ['a', 'b'], turns: [{ stop: 'max_steps' }] })).toMatchObject({
      spoke: 'a',
      ending: { stop: 'max_steps', endedBy: null },
    })
  })
})

describe('dynamic', () => {
  const chosen = (name: unknown, id?: string) => call('choose_next_participant', { name }, id)
  const choose = (name: unknown): Turn => ({ calls: [chosen(name)] })
  const play2 = (given: Omit<Play, 'manager'>) => play(dynamic, { manager: 'M', token: 'DONE!', ...given })

  test('the manager says who speaks, once for each member by default, and is asked with all names but the last speaker’s', async () => {
    const turns = [choose('b'), 'Hi.', choose('a'), 'Ho.', choose('b'), 'Hu.']
    const { spoke, ending, options, notes } = await play2({ members: ['a', 'b', 'c'], turns })
    expect(spoke).toBe('M b M a M b')
    expect(ending).toEqual(turnsOver)
    expect(notes).toEqual([])
    const asked = [0, 2, 4].map((index) => options[index]!)
    for (const { mustCall, maxSteps, listeners } of asked) {
      expect({ mustCall, maxSteps, listeners }).toEqual({ mustCall: 'choose_next_participant', maxSteps: 1, listeners: [] })
    }
    const offered = asked.map(({ tools }) => tools![0]!.spec.parameters['properties'])
    expect(offered).toMatchObject(
      [
        ['a', 'b', 'c', 'DONE!'],
        ['a', 'c', 'DONE!'],
        ['b', 'c', 'DONE!'],
      ].map((names) => ({ name: { enum: names } })),
    )
    expect(options[1]).toEqual({})
  })

  test.each<[string, Turn]>([
    ['nobody', { calls: [call('choose_next_participant', {})] }],
    ['itself', choose('M')],
    ['a stranger', choose('Zed')],
    ['two in one call', choose('a and b')],
    ['two in two calls', { calls: [chosen('a'), chosen('b', 'call_2')] }],
    ['what is no JSON', { calls: [call('choose_next_participant', '{"name":')] }],
    ['several in its text', 'a or b, or DONE!'],
    ['nobody in its text', 'Well.'],
    ['a name within a word in its text', 'abba'],
  ])('F45 a manager that names %s is asked again, and then the next in order speaks', async (_what, wrong) => {
    const again = await play2({ members: ['a', 'b'], maxTurns: 1, turns: [wrong, choose('b')] })
    expect(again).toMatchObject({ spoke: 'M M b', notes: [] })
    expect(again.options[1]!.note).toContain('named none of them, or more than one')
    const { spoke, notes } = await play2({ members: ['a', 'b'], turns: [wrong, wrong, '', wrong, wrong] })
    expect(spoke).toBe('M M a M M b')
    expect(notes).toMatchObject([
      { type: 'speaker_choice', chosen: 'a' },
      { type: 'speaker_choice', chosen: 'b' },
    ])
  })

  test.each<[string, Turn, string]>([
    ['one name', choose('Ann'), 'Ann'],
    ['another spelling', choose(' ANNA '), 'Anna'],
    ['the same twice', { calls: [chosen('Ann'), chosen('Ann', 'call_2')] }, 'Ann'],
    ['one whole name in its text', 'Anna, please.', 'Anna'],
    ['the shorter name in its text', 'I say Ann!', 'Ann'],
  ])('F45 %s is enough, though a name begins another', async (_what, turn, speaker) => {
    const { spoke } = await play2({ members: ['Ann', 'Anna'], maxTurns: 1, turns: [turn] })
    expect(spoke).toBe(`M ${speaker}`)
  })

  test.each<[string, Turn[], string]>([
    ['the manager’s call', [choose('a'), '', choose('DONE!')], 'M a M'],
    ['the manager’s text', [choose('a'), '', 'We are DONE!'], 'M a M'],
    ['a member’s words', [choose('a'), 'That is it. DONE!'], 'M a'],
  ])('F45 the termination token in %s ends it', async (_what, turns, spoke) => {
    expect(await play2({ members: ['a', 'b', 'c'], turns })).toMatchObject({
      spoke,
      ending: { stop: 'end_turn', endedBy: 'termination_token' },
    })
  })

  test('without a token nothing ends it early, and nobody is offered one', async () => {
    const { spoke, options } = await play2({ members: ['a', 'b'], token: null, turns: [choose('a'), 'DONE!', choose('b')] })
    expect(spoke).toBe('M a M b')
    expect(options[0]!.note).not.toContain('goal')
  })

  test('one member alone may speak again and again', async () => {
    expect((await play2({ members: ['a'], maxTurns: 2, turns: [choose('a'), '', choose('a')] })).spoke).toBe('M a M a')
  })

  test('a pause or a limit ends it, whoever comes to it', async () => {
    expect(await play2({ members: ['a'], turns: [{ stop: 'max_steps' }] })).toMatchObject({
      spoke: 'M',
      ending: { stop: 'max_steps' },
    })
    const paused = await play2({ members: ['a', 'b'], turns: [choose('a'), { stop: 'requires_approval' }] })
    expect(paused).toMatchObject({ spoke: 'M a', ending: { stop: 'requires_approval', endedBy: null } })
  })

  test('the tool says what became of the call', async () => {
    const { options } = await play2({ members: ['a', 'b'], maxTurns: 1, turns: [choose('a')] })
    const { result } = options[0]!.tools![0]!
    expect(result({ name: 'B' })).toEqual({ text: 'b it is.', isError: false })
    expect(result({ name: 'Zed' })).toMatchObject({ isError: true })
  })
})

describe('supervisor', () => {
  const broadcast = (id = 'call_1') => call('send_message_to_all_agents_in_group', { message: 'Go!' }, id)

  test('asks all, gives the manager one entry for each, and lets it answer', async () => {
    const turns: Turn[] = [{ calls: [broadcast()], said: ['Go!'] }, 'One.', {}, { fails: new Error('secret') }, 'All done.']
    const { spoke, ending, options, answers } = await play(supervisor, { members: ['a', 'b', 'c'], manager: 'M', turns })
    expect(spoke).toBe('M a b c M')
    expect(ending).toEqual({ stop: 'end_turn', endedBy: null })
    expect(options[0]).toMatchObject({ mustCall: 'send_message_to_all_agents_in_group', maxSteps: 2 })
    // Members hear each other; the manager reads them in the tool's return.
    expect(options.slice(1)).toEqual([{ listeners: ['b', 'c'] }, { listeners: ['a', 'c'] }, { listeners: ['a', 'b'] }, {}])
    expect(answers).toMatchObject([{ to: 'M', calls: ['call_1'] }])
    expect(JSON.parse(answers[0]!.text)).toEqual([
      { agent_id: 'a', name: 'a', response: ['One.'] },
      { agent_id: 'b', name: 'b', response: [] },
      { agent_id: 'c', name: 'c', error: 'An unknown error occurred' },
    ])
  })

  test('several broadcasts at once are one, and each has its return', async () => {
    const turns: Turn[] = [{ calls: [broadcast('x'), call('other', {}, 'y'), broadcast('z')] }]
    const { spoke, answers } = await play(supervisor, { members: ['a'], manager: 'M', turns })
    expect(spoke).toBe('M a M')
    expect(answers.map(({ calls }) => calls)).toEqual([['x', 'z']])
  })

  test('a member that is there twice is asked once', async () => {
    expect((await play(supervisor, { members: ['a', 'a'], manager: 'M', turns: [{ calls: [broadcast()] }] })).spoke).toBe(
      'M a M',
    )
  })

  test('a manager that broadcasts nothing has answered, or is let answer', async () => {
    expect(await play(supervisor, { members: ['a'], manager: 'M', turns: ['I know it.'] })).toMatchObject({
      spoke: 'M',
      ending: { stop: 'end_turn', endedBy: 'no_broadcast' },
    })
    const wrong: Turn = { calls: [call('send_message_to_all_agents_in_group', {})] }
    expect(await play(supervisor, { members: ['a'], manager: 'M', turns: [wrong, 'Sorry.'] })).toMatchObject({
      spoke: 'M M',
      answers: [],
    })
  })

  test('a member that waits for an answer pauses it, when all others are done', async () => {
    const turns: Turn[] = [{ calls: [broadcast()] }, { stop: 'requires_approval' }, 'Two.']
    expect(await play(supervisor, { members: ['a', 'b'], manager: 'M', turns })).toMatchObject({
      spoke: 'M a b',
      answers: [],
      ending: { stop: 'requires_approval', endedBy: null },
    })
  })
})

test('sleeptime: the manager answers alone, and no member hears it', async () => {
  const { spoke, options, ending } = await play(sleeptime, { members: ['s'], manager: 'M', turns: [{ stop: 'max_steps' }] })
  expect(spoke).toBe('M')
  expect(options).toEqual([{ listeners: [] }])
  expect(ending).toEqual({ stop: 'max_steps', endedBy: null })
})

describe('swarm', () => {
  const to = (name: string): Turn => ({ calls: [call(`transfer_to_${name}`, {})] })

  test('who has the word keeps it until it hands over; a turn without a hand-over is the last', async () => {
    const { spoke, ending, options } = await play(swarm, {
      members: ['a', 'b', 'c'],
      turns: [to('c'), to('a'), to('b'), 'Done.'],
    })
    expect(spoke).toBe('a c a b')
    expect(ending).toEqual({ stop: 'end_turn', endedBy: 'no_handover' })
    expect(options.map(({ tools }) => tools!.map(({ spec }) => spec.name).join(' '))).toEqual([
      'transfer_to_b transfer_to_c',
      'transfer_to_a transfer_to_b',
      'transfer_to_b transfer_to_c',
      'transfer_to_a transfer_to_c',
    ])
  })

  test('the first of several hand-overs counts', async () => {
    const both: Turn = { calls: [call('other', {}), call('transfer_to_c', {}), call('transfer_to_b', {})] }
    expect((await play(swarm, { members: ['a', 'b', 'c'], turns: [both] })).spoke).toBe('a c')
  })

  test('F46 it ends after the group’s turns, or after four for each', async () => {
    const pingPong = Array.from({ length: 20 }, (_, index) => to(index % 2 === 0 ? 'b' : 'a'))
    expect(await play(swarm, { members: ['a', 'b'], turns: pingPong })).toMatchObject({
      spoke: 'a b a b a b a b',
      ending: turnsOver,
    })
    expect((await play(swarm, { members: ['a', 'b'], maxTurns: 3, turns: pingPong })).spoke).toBe('a b a')
  })

  test('every member has a tool of its own, whatever its name is', async () => {
    const long = 'x'.repeat(80)
    const { options } = await play(swarm, { members: ['a', 'Zoë B', 'Zoé B', 'Зоя', 'Яна', long, `${long}y`] })
    const names = options[0]!.tools!.map(({ spec }) => spec.name)
    expect(new Set(names).size).toBe(6)
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
  })

  test('a pause ends it for now', async () => {
    expect(await play(swarm, { members: ['a', 'b'], turns: [{ stop: 'requires_approval' }] })).toMatchObject({
      spoke: 'a',
      ending: { stop: 'requires_approval' },
    })
  })
})
