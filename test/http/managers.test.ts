import { describe, expect, test } from 'vitest'
import type { Answer } from '../support/scripted-provider.ts'
import { type Cast, heard, lines, modes, startCast } from './cast.ts'
import { events, upTo } from './events.ts'

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
const choose = (name: unknown) => ({ toolCalls: [{ name: 'choose_next_participant', arguments: JSON.stringify({ name }) }] })
const broadcast = (message: string) => ({
  toolCalls: [{ name: 'send_message_to_all_agents_in_group', arguments: JSON.stringify({ message }) }],
})
const handOver = (name: string, text = '') => ({ text, toolCalls: [{ name: `transfer_to_${name}`, arguments: '{}' }] })
const metadataOf = async ({ api }: Cast, run: string) =>
  (await api.get<{ metadata: Record<string, unknown> }>(`/v1/runs/${run}`)).metadata

describe('round robin', () => {
  test.each(modes)('%s: four speak once; in another order, and fewer of them, from the next request on', async (mode) => {
    const cast = await startCast()
    const { id, agent_ids } = await cast.troupe('round_robin', ['Ann', 'Bob', 'Cyd', 'Dan'])
    cast.play({ Ann: [{ reasoning: 'Hm.', text: 'Ann speaks.' }] })
    const first = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(first).toMatchObject({ stop: 'end_turn', usage: { step_count: 4, total_tokens: 60, run_ids: [first.run] } })
    expect(lines(first.messages)).toEqual([
      'Ann reasoning',
      ...['Ann', 'Bob', 'Cyd', 'Dan'].map((name) => `${name} assistant ${name} speaks.`),
    ])
    await cast.api.patch(`/v1/groups/${id}`, {
      agent_ids: agent_ids.toReversed(),
      manager_config: { manager_type: 'round_robin', max_turns: 3 },
    })
    const second = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(second.usage.step_count).toBe(3)
    expect(cast.asked()).toBe('Ann Bob Cyd Dan Dan Cyd Bob')
    expect(await metadataOf(cast, second.run)).toMatchObject({
      group_id: id,
      manager_type: 'round_robin',
      ended_by: 'max_turns',
    })
    // Ann was silent this time; the next time she knows it all.
    await cast.api.patch(`/v1/groups/${id}`, { agent_ids })
    await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(heard(cast.askedOf('Ann', 1))).toEqual([
      'user: Hi',
      'assistant: Ann speaks.',
      ...['Bob', 'Cyd', 'Dan'].map((name) => `user: ${name}: ${name} speaks.`),
      'user: Hi',
      ...['Dan', 'Cyd', 'Bob'].map((name) => `user: ${name}: ${name} speaks.`),
      'user: Hi',
    ])
    expect(await cast.api.get(`/v1/groups/${id}/messages?limit=100`)).toHaveLength(3 + 5 + 3 + 3 + 1)
  })
})

describe('dynamic', () => {
  test.each(modes)('%s: the manager says who speaks; its choices are seen by the user and by no member', async (mode) => {
    const cast = await startCast()
    const { id, manager_agent_id } = await cast.troupe('dynamic', ['Ann', 'Bob', 'Cyd', 'Dan'], { manager: 'Max' })
    cast.play({ Max: [choose('Dan'), choose('Cyd'), choose('Bob'), choose('Ann')] })
    const { stop, usage, messages, run } = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(cast.asked()).toBe('Max Dan Max Cyd Max Bob Max Ann')
    expect({ stop, usage }).toMatchObject({ stop: 'end_turn', usage: { step_count: 8, total_tokens: 120 } })
    expect(lines(messages)).toEqual(
      ['Dan', 'Cyd', 'Bob', 'Ann'].flatMap((name) => [
        'Max tool_call choose_next_participant',
        `tool_return ${name} it is.`,
        `${name} assistant ${name} speaks.`,
      ]),
    )
    expect(messages[1]).toMatchObject({ name: 'choose_next_participant', sender_id: manager_agent_id })
    expect(await cast.api.get(`/v1/runs/${run}`)).toMatchObject({
      agent_id: manager_agent_id,
      metadata: { ended_by: 'max_turns' },
    })
    const { body } = cast.askedOf('Max', 1)
    expect(body.tool_choice).toEqual({ type: 'function', function: { name: 'choose_next_participant' } })
    expect(body.tools).toHaveLength(1)
    expect(body.tools[0].function.parameters.properties.name.enum).toEqual(['Ann', 'Bob', 'Cyd', 'DONE!'])
    expect(body.messages[0].content).toContain('you say who speaks next')
    expect(body.messages[0].content).toContain('a test')
    expect(body.messages[0].content).not.toContain('All of them read what you say')
    expect(heard(cast.askedOf('Ann'))).toEqual([
      'user: Hi',
      ...['Dan', 'Cyd', 'Bob'].map((name) => `user: ${name}: ${name} speaks.`),
    ])
    expect(cast.askedOf('Ann').body.tools).toBeUndefined()
    expect(heard(cast.askedOf('Max', 3))).toEqual([
      'user: Hi',
      ...['Dan', 'Cyd', 'Bob'].flatMap((name) => [
        'assistant calls choose_next_participant',
        `tool: ${name} it is.`,
        `user: ${name}: ${name} speaks.`,
      ]),
    ])
  })

  test('who was silent in one request knows it in the next, and so does the manager', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('dynamic', ['Ann', 'Bob', 'Cyd'], { manager: 'Max', max_turns: 1 })
    cast.play({ Max: [choose('Ann'), choose('Cyd')] })
    await cast.send(`/v1/groups/${id}/messages`, hi)
    await cast.send(`/v1/groups/${id}/messages`, { messages: [{ role: 'user', content: 'And?' }] })
    expect(heard(cast.askedOf('Cyd'))).toEqual(['user: Hi', 'user: Ann: Ann speaks.', 'user: And?'])
    expect(heard(cast.askedOf('Max', 1)).slice(-2)).toEqual(['user: Ann: Ann speaks.', 'user: And?'])
  })

  test.each(modes)(
    'F45 %s: a manager that names nobody is corrected once; then it is the next member’s turn, and the stream says so',
    async (mode) => {
      const cast = await startCast()
      const { id } = await cast.troupe('dynamic', ['Ann', 'Anna'], { manager: 'Max' })
      cast.play({ Max: [choose('Max'), choose(['Ann', 'Anna']), { text: 'Ann or Anna or DONE!' }, { text: 'Joanna should.' }] })
      const { usage, messages, run, given } = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
      expect(cast.asked()).toBe('Max Max Ann Max Max Anna')
      expect(usage.step_count).toBe(6)
      const choices = given.filter(({ data }) => data.message_type === 'event_message')
      expect(choices.map(({ data }) => [data.event_type, data.event_data.chosen])).toEqual(
        mode === 'whole'
          ? []
          : [
              ['speaker_choice', 'Ann'],
              ['speaker_choice', 'Anna'],
            ],
      )
      expect(messages.filter(({ message_type: type }) => type === 'event_message')).toHaveLength(choices.length)
      expect(messages.slice(0, 2)).toMatchObject([
        { name: 'Max' },
        { status: 'error', tool_return: expect.stringContaining('Ann, Anna') },
      ])
      for (const path of [`/v1/groups/${id}/messages?limit=100`, `/v1/runs/${run}/messages`]) {
        const listed = await cast.api.get<{ message_type: string }[]>(path)
        expect(listed.map(({ message_type: type }) => type)).not.toContain('event_message')
      }
      expect(cast.askedOf('Max', 1).body.messages[0].content).toContain('Your last answer named none of them')
    },
  )

  test.each([
    ['a name in plain text', { text: 'I think Anna.' }, 'Max Anna', 'max_turns'],
    ['a name in small letters', choose('anna'), 'Max Anna', 'max_turns'],
    ['the shorter of two names', choose('Ann'), 'Max Ann', 'max_turns'],
    ['the termination token', choose('DONE!'), 'Max', 'termination_token'],
  ])('F45 %s is a choice', async (_what, reply, asked, endedBy) => {
    const cast = await startCast()
    const { id } = await cast.troupe('dynamic', ['Ann', 'Anna'], { manager: 'Max', max_turns: 1 })
    cast.play({ Max: [reply] })
    const { run, stop } = await cast.send(`/v1/groups/${id}/messages`, hi)
    expect(cast.asked()).toBe(asked)
    expect(stop).toBe('end_turn')
    expect(await metadataOf(cast, run)).toMatchObject({ ended_by: endedBy })
  })

  test('a member that says the token ends it', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('dynamic', ['Ann', 'Bob'], { manager: 'Max', termination_token: 'BASTA' })
    cast.play({ Max: [choose('Bob')], Bob: [{ text: 'Good. BASTA.' }] })
    const { run, usage } = await cast.send(`/v1/groups/${id}/messages`, hi)
    expect(usage.step_count).toBe(2)
    expect(await metadataOf(cast, run)).toMatchObject({ ended_by: 'termination_token' })
  })
})

describe('supervisor', () => {
  test.each(modes)('%s: all members are asked at once, each has its entry, and the manager answers', async (mode) => {
    const cast = await startCast()
    const { id, agent_ids } = await cast.troupe('supervisor', ['Ann', 'Bob', 'Cyd'], { manager: 'Max' })
    const all = Promise.withResolvers<void>()
    const together = (reply: Answer) => async () => {
      // Nobody is answered before all have asked.
      await all.promise
      return reply
    }
    cast.play({
      Max: [broadcast('Report!'), { text: 'All reported.' }],
      Ann: together({ text: 'Fine.' }),
      Bob: together({ reasoning: 'I have nothing to say.' }),
      Cyd: together({ text: 'Well.' }),
    })
    const sent = cast.send(`/v1/groups/${id}/messages`, hi, mode)
    await cast.llm.received(4)
    expect(cast.asked().split(' ').toSorted().join(' ')).toBe('Ann Bob Cyd Max')
    all.resolve()
    const { usage, messages, stop } = await sent
    expect({ stop, usage }).toMatchObject({ stop: 'end_turn', usage: { step_count: 5, total_tokens: 75 } })
    expect(cast.askedOf('Max').body.tool_choice).toEqual({
      type: 'function',
      function: { name: 'send_message_to_all_agents_in_group' },
    })
    const said = lines(
      messages.filter(({ message_type: type }) => !['tool_return_message', 'reasoning_message'].includes(type)),
    )
    expect(said[0]).toBe('Max tool_call send_message_to_all_agents_in_group')
    expect(said.slice(1, 3).toSorted()).toEqual(['Ann assistant Fine.', 'Cyd assistant Well.'])
    expect(said.at(-1)).toBe('Max assistant All reported.')
    const returned = messages.find(({ message_type: type }) => type === 'tool_return_message')
    expect(JSON.parse(returned.tool_return)).toEqual([
      { agent_id: agent_ids[0], name: 'Ann', response: ['Fine.'] },
      { agent_id: agent_ids[1], name: 'Bob', response: [] },
      { agent_id: agent_ids[2], name: 'Cyd', response: ['Well.'] },
    ])
    for (const name of ['Ann', 'Bob', 'Cyd']) expect(heard(cast.askedOf(name))).toEqual(['user: Hi', 'user: Max: Report!'])
    expect(heard(cast.askedOf('Max', 1))).toEqual([
      'user: Hi',
      'assistant calls send_message_to_all_agents_in_group',
      `tool: ${returned.tool_return}`,
    ])
    const listed = await cast.api.get<any[]>(`/v1/groups/${id}/messages?order=asc&limit=100`)
    expect(listed.map(({ id: message }) => message).toSorted()).toEqual(
      [...new Set([listed[0].id, ...messages.map(({ id: message }) => message)])].toSorted(),
    )
  })

  test('what members say while they work at the same time streams under their names, in one order', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('supervisor', ['Ann', 'Bob'], { manager: 'Max' })
    cast.llm.script([broadcast('Go!')])
    const held = [cast.llm.hold(), cast.llm.hold()]
    const response = await cast.api.stream(`/v1/groups/${id}/messages/stream`, { ...hi, stream_tokens: true })
    const stream = events(response)
    const order: string[] = []
    await cast.llm.received(3)
    for (const word of ['a', 'b', 'c']) {
      for (const one of held) {
        one.push(word)
        const { data } = await upTo(stream, 'assistant_message')
        order.push(data.name)
        expect(data.content).toBe(word)
      }
    }
    expect(order).toEqual([order[0], order[1], order[0], order[1], order[0], order[1]])
    expect(new Set(order)).toEqual(new Set(['Ann', 'Bob']))
    for (const one of held) one.finish()
    const rest = await Array.fromAsync(stream)
    expect(rest.at(-1)!.data).toBe('[DONE]')
  })

  test.each(modes)('%s: a member that fails is an error in its entry, and the run completes', async (mode) => {
    const cast = await startCast()
    const { id } = await cast.troupe('supervisor', ['Ann', 'Bob'], { manager: 'Max' })
    cast.play({ Max: [broadcast('Report!'), { text: 'One did.' }], Bob: [{ status: 400 }] })
    const { messages, stop, run, usage } = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(stop).toBe('end_turn')
    const entries = JSON.parse(messages.find(({ message_type: type }) => type === 'tool_return_message').tool_return)
    expect(entries).toMatchObject([{ response: ['Ann speaks.'] }, { name: 'Bob', error: expect.stringContaining('400') }])
    expect(usage.step_count).toBe(3)
    expect(await cast.api.get(`/v1/runs/${run}`)).toMatchObject({ status: 'completed' })
    // The next request works as if nothing had been.
    cast.play({ Max: [broadcast('Again!'), { text: 'Both.' }] })
    expect((await cast.send(`/v1/groups/${id}/messages`, hi, mode)).usage.step_count).toBe(4)
    expect(
      heard(
        cast.askedOf(
          'Bob',
          cast
            .asked()
            .split(' ')
            .filter((name) => name === 'Bob').length - 1,
        ),
      ),
    ).toEqual([
      'user: Hi',
      'user: Max: Report!',
      'user: Ann: Ann speaks.',
      'user: Max: One did.',
      'user: Hi',
      'user: Max: Again!',
    ])
  })

  test('a cancel ends all who work at the same time', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('supervisor', ['Ann', 'Bob', 'Cyd'], { manager: 'Max' })
    cast.play({ Max: [broadcast('Go!')], Ann: [{ silent: true }], Bob: [{ silent: true, noHead: true }] })
    const response = await cast.api.stream(`/v1/groups/${id}/messages/stream`, hi)
    const stream = events(response)
    for (;;) if ((await upTo(stream, 'assistant_message')).data.name === 'Cyd') break
    await cast.llm.received(4)
    await cast.api.post(`/v1/runs/${response.headers.get('x-letta-run-id')}/cancel`)
    const rest = await Array.fromAsync(stream)
    // The broadcast has its result, too: it was not answered.
    expect(rest.map(({ data }) => data.stop_reason ?? data.message_type ?? data)).toEqual([
      'tool_return_message',
      'cancelled',
      'usage_statistics',
      '[DONE]',
    ])
    cast.play({ Max: [broadcast('Go!'), { text: 'Now.' }] })
    expect((await cast.send(`/v1/groups/${id}/messages`, hi)).stop).toBe('end_turn')
  })
})

describe('swarm', () => {
  test.each(modes)('%s: who hands over lets another go on; without a hand-over it is over', async (mode) => {
    const cast = await startCast()
    const { id, agent_ids } = await cast.troupe('swarm', ['Ann', 'Bob', 'Cyd'])
    cast.play({ Ann: [handOver('Cyd', 'Cyd knows.')], Cyd: [handOver('Bob')], Bob: [{ text: 'Here I am.' }] })
    const { run, stop, usage, messages } = await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(cast.asked()).toBe('Ann Cyd Bob')
    expect({ stop, usage }).toMatchObject({ stop: 'end_turn', usage: { step_count: 3 } })
    expect(lines(messages)).toEqual([
      'Ann assistant Cyd knows.',
      'Ann tool_call transfer_to_Cyd',
      'tool_return Cyd has the word.',
      'Cyd tool_call transfer_to_Bob',
      'tool_return Bob has the word.',
      'Bob assistant Here I am.',
    ])
    expect(await cast.api.get(`/v1/runs/${run}`)).toMatchObject({
      agent_id: agent_ids[0],
      metadata: { ended_by: 'no_handover' },
    })
    const tools = cast.askedOf('Cyd').body.tools.map((tool: any) => tool.function.name)
    expect(tools).toEqual(['transfer_to_Ann', 'transfer_to_Bob'])
    expect(heard(cast.askedOf('Bob'))).toEqual(['user: Hi', 'user: Ann: Cyd knows.'])
    // Silent members know it in the next request; so does the one that handed over.
    cast.play({ Ann: [handOver('Cyd')] })
    await cast.send(`/v1/groups/${id}/messages`, hi, mode)
    expect(heard(cast.askedOf('Cyd', 1))).toEqual([
      'user: Hi',
      'user: Ann: Cyd knows.',
      'assistant calls transfer_to_Bob',
      'tool: Bob has the word.',
      'user: Bob: Here I am.',
      'user: Hi',
    ])
  })

  test('F46 it ends when the group’s turns are over', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('swarm', ['Ann', 'Bob'], { max_turns: 3 })
    cast.play({ Ann: [handOver('Bob')], Bob: [handOver('Ann')] })
    const { run, usage } = await cast.send(`/v1/groups/${id}/messages`, hi)
    expect(usage.step_count).toBe(3)
    expect(await metadataOf(cast, run)).toMatchObject({ ended_by: 'max_turns' })
  })
})
