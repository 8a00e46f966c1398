import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { decrementMessageId } from '../../src/wire/id.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Group } from '../../src/wire/group.ts'
import { contract } from '../support/contract.ts'
import type { Answer } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { type Cast, collect, heard, lines, modes, type Outcome, startCast } from './cast.ts'
import { allEvents, events, upTo } from './events.ts'

const say = (content: string) => ({ role: 'user', content })
const hi = { messages: [say('Hi')] }

/** An agent that must not write without leave. */
const careful = {
  include_base_tools: true,
  memory_blocks: [{ label: 'human', value: '' }],
  tool_rules: [{ type: 'requires_approval', tool_name: 'memory_insert' }],
}
const insert = (text: string, id = 'call_1') => ({
  id,
  name: 'memory_insert',
  arguments: JSON.stringify({ label: 'human', new_string: text }),
})
const look = { name: 'look', description: 'Looks out of the window.' }
const asks = (...toolCalls: NonNullable<Answer['toolCalls']>): Answer => ({ text: 'May I?', toolCalls })

const yes = (id = 'call_1') => ({ type: 'approval', tool_call_id: id, approve: true })
const no = (id = 'call_1', reason?: string) => ({ type: 'approval', tool_call_id: id, approve: false, reason })
const gives = (id: string, tool_return: unknown, status = 'success') => ({
  type: 'tool',
  tool_call_id: id,
  tool_return,
  status,
})
const answer = (...approvals: object[]) => ({ messages: [{ type: 'approval', approvals }] })

const memoryOf = async ({ api }: Cast, agent: string) =>
  (await api.get<{ value: string }>(`/v1/agents/${agent}/core-memory/blocks/human`)).value
const requestIn = ({ messages }: Pick<Outcome, 'messages'>) =>
  messages.find(({ message_type: type }) => type === 'approval_request_message')
const returnIn = ({ messages }: Pick<Outcome, 'messages'>) =>
  messages.find(({ message_type: type }) => type === 'tool_return_message')

/** An agent that has asked for leave, and the address where it is talked to. */
async function paused(
  reply: Answer = asks(insert('likes tea')),
  body: Record<string, unknown> = {},
  settings: Record<string, string> = {},
) {
  const cast = await startCast(settings)
  const { id } = await cast.actor('Ann', careful)
  cast.play({ Ann: [reply, { text: 'Thank you.' }] })
  const path = `/v1/agents/${id}/messages`
  const asked = await cast.send(path, { ...hi, ...body })
  expect(asked.stop).toBe('requires_approval')
  return { cast, id, path, asked, request: requestIn(asked) }
}

test('a tool that asks for leave by itself does so from the agent’s first day', async () => {
  const { api } = await startCast()
  const json_schema = { name: 'pay', description: 'Pays.', parameters: { type: 'object', properties: {} } }
  const tool = { source_type: 'typescript', source_code: 'const pay = () => 1', json_schema, default_requires_approval: true }
  const { id } = await api.post<{ id: string }>('/v1/tools/', tool)
  expect((await api.agent({ tool_ids: [id] })).tool_rules).toEqual([{ type: 'requires_approval', tool_name: 'pay' }])
})

test('an agent shows the calls that wait, and nothing when they are answered', async () => {
  const { cast, path, id, request } = await paused()
  const shown = async () => (await cast.api.get<AgentState>(`/v1/agents/${id}`)).pending_approval
  expect(await shown()).toMatchObject({ ...request, seq_id: null })
  await cast.send(path, answer(yes()))
  expect(await shown()).toBeNull()
})

describe('an agent', () => {
  test.each(modes)('%s: a call that needs leave pauses the run; the answer begins another, which goes on', async (mode) => {
    const cast = await startCast()
    const { id } = await cast.actor('Ann', careful)
    cast.play({ Ann: [{ reasoning: 'Hm.', ...asks(insert('likes tea')) }, { text: 'Thank you.' }] })
    const path = `/v1/agents/${id}/messages`
    const asked = await cast.send(path, hi, mode)
    expect(asked).toMatchObject({ stop: 'requires_approval', usage: { step_count: 1 } })
    expect(lines(asked.messages)).toEqual(['Ann reasoning', 'Ann assistant May I?', 'Ann approval_request memory_insert'])
    const request = requestIn(asked)
    expect(request).toMatchObject({
      id: decrementMessageId(asked.messages[0].id),
      otid: request.id,
      name: 'Ann',
      sender_id: id,
      tool_calls: [{ tool_call_id: 'call_1', name: 'memory_insert', arguments: insert('likes tea').arguments }],
    })
    expect(await cast.api.get(`/v1/runs/${asked.run}`)).toMatchObject({ status: 'completed', stop_reason: 'requires_approval' })
    expect(await memoryOf(cast, id)).toBe('')

    const answered = await cast.send(path, answer(yes()), mode)
    expect(answered).toMatchObject({ stop: 'end_turn', usage: { step_count: 1, run_ids: [answered.run] } })
    expect(answered.run).not.toBe(asked.run)
    expect(lines(answered.messages)).toEqual([expect.stringMatching(/^tool_return /), 'Ann assistant Thank you.'])
    expect(returnIn(answered)).toMatchObject({
      name: 'memory_insert',
      sender_id: id,
      status: 'success',
      tool_call_id: 'call_1',
    })
    expect(await memoryOf(cast, id)).toContain('likes tea')
    expect(heard(cast.askedOf('Ann', 1))).toEqual([
      'user: Hi',
      'assistant: May I?',
      'assistant calls memory_insert',
      expect.stringMatching(/^tool: /),
    ])
    // What the streams said is what the lists say, but for what the user brought.
    const listed = await cast.api.get<any[]>(`${path}?order=asc&limit=100`)
    expect(listed.map(({ message_type: type }) => type)).toEqual([
      'system_message',
      'user_message',
      'reasoning_message',
      'assistant_message',
      'approval_request_message',
      'approval_response_message',
      'tool_return_message',
      'assistant_message',
    ])
    const own = listed.filter(({ message_type: type }) => !/^(system|user|approval_response)_/.test(type))
    expect([...asked.messages, ...answered.messages].map((message) => ({ ...message, seq_id: null }))).toEqual(own)
    for (const message of [request, listed[5]]) {
      const name = message.message_type === 'approval_request_message' ? 'ApprovalRequestMessage' : 'ApprovalResponseMessage'
      expect(contract()?.validateSchema(name, message) ?? []).toEqual([])
    }
    expect(listed[5]).toMatchObject({ approve: true, approvals: [{ tool_call_id: 'call_1', approve: true }] })
  })

  test('while a call waits nothing else is taken, on no way, and no client tries again by itself', async () => {
    const { cast, path, request } = await paused()
    for (const [way, body] of [
      [path, hi],
      [path, { ...hi, streaming: true }],
      [`${path}/stream`, hi],
    ] as const) {
      const refused = await cast.api.call<any>('POST', way, body)
      expect(refused).toMatchObject({
        status: 409,
        body: {
          detail: {
            code: 'PENDING_APPROVAL',
            message: expect.stringMatching(
              /waiting for approval.*Please approve or deny the pending request before continuing/,
            ),
            pending_request_id: request.id,
          },
        },
      })
      expect(refused.headers.get('x-should-retry')).toBe('false')
    }
    expect((await cast.send(path, answer(yes()))).stop).toBe('end_turn')
    expect((await cast.send(path, hi)).stop).toBe('end_turn')
  })

  test.each(modes)('%s: a refusal, with and without a reason, is told to the model', async (mode) => {
    const { cast, path, id } = await paused()
    cast.play({ Ann: [asks(insert('likes tea')), { text: 'As you wish.' }] })
    const first = await cast.send(path, answer(no()), mode)
    expect(returnIn(first)).toMatchObject({ status: 'error', tool_return: 'Error: request to call tool denied.' })
    expect(first.stop).toBe('requires_approval')
    const second = await cast.send(path, answer(no('call_1', 'too much')), mode)
    expect(returnIn(second).tool_return).toBe('Error: request to call tool denied. User reason: too much')
    expect(second.stop).toBe('end_turn')
    expect(await memoryOf(cast, id)).toBe('')
  })

  test.each(modes)('%s: the caller’s own tools pause in the same way; the caller gives what they returned', async (mode) => {
    const cast = await startCast()
    const { id } = await cast.actor('Ann', careful)
    cast.play({ Ann: [{ toolCalls: [{ name: 'look', arguments: '{}' }] }, { text: 'I see.' }] })
    const path = `/v1/agents/${id}/messages`
    const asked = await cast.send(path, { ...hi, client_tools: [look] }, mode)
    expect(asked.stop).toBe('requires_approval')
    expect(lines(asked.messages)).toEqual(['Ann approval_request look'])
    const answered = await cast.send(path, answer(gives('call_1', 'Rain.')), mode)
    expect(lines(answered.messages)).toEqual(['tool_return Rain.', 'Ann assistant I see.'])
    expect(heard(cast.askedOf('Ann', 1)).slice(-1)).toEqual(['tool: Rain.'])
    // It was for that request only.
    const names = (n: number) => cast.askedOf('Ann', n).body.tools.map((tool: any) => tool.function.name)
    expect(names(0)).toContain('look')
    expect(names(1)).not.toContain('look')
  })

  test('an error of the caller’s tool, parts instead of a text, and the type tool_return', async () => {
    const { cast, path } = await paused({ toolCalls: [{ name: 'look', arguments: '{}' }] }, { client_tools: [look] })
    cast.play({ Ann: [{ toolCalls: [{ name: 'look', arguments: '{}' }] }, { text: 'I see.' }] })
    const returns = [
      { tool_call_id: 'call_1', status: 'error', tool_return: [{ type: 'text', text: 'The blind is down.' }], stderr: ['!'] },
    ]
    const first = await cast.send(path, { messages: [{ type: 'tool_return', tool_returns: returns }], client_tools: [look] })
    expect(returnIn(first)).toMatchObject({ status: 'error', tool_return: 'The blind is down.', stderr: ['!'] })
    expect(first.stop).toBe('requires_approval')
    // Leave for a tool that the server does not have is of no use.
    const second = await cast.send(path, answer(yes()))
    expect(returnIn(second)).toMatchObject({ status: 'error', tool_return: 'Tool not found' })
  })

  test.each(modes)(
    '%s: leave, refusal, a return and a call that needs none are one answer; nothing runs before all have it',
    async (mode) => {
      const cast = await startCast()
      const { id } = await cast.actor('Ann', careful)
      const replace = { id: 'free', name: 'memory_replace', arguments: '{"label":"human","old_string":"","new_string":""}' }
      const calls = [replace, insert('tea', 'a'), insert('coffee', 'b'), { id: 'c', name: 'look', arguments: '{}' }]
      cast.play({ Ann: [asks(...calls), { text: 'Good.' }] })
      const path = `/v1/agents/${id}/messages`
      const asked = await cast.send(path, { ...hi, client_tools: [look] }, mode)
      expect(lines(asked.messages)).toEqual([
        'Ann assistant May I?',
        'Ann tool_call memory_replace',
        'Ann approval_request memory_insert',
      ])
      expect(requestIn(asked).tool_calls.map((call: any) => call.tool_call_id)).toEqual(['a', 'b', 'c'])
      expect(returnIn(asked)).toBeUndefined()
      const answered = await cast.send(path, answer(gives('c', 'Rain.'), yes('a'), no('b')), mode)
      const returned = returnIn(answered).tool_returns.map((one: any) => [one.tool_call_id, one.status])
      expect(returned).toEqual([
        ['c', 'success'],
        ['b', 'error'],
        ['free', 'error'],
        ['a', 'success'],
      ])
      expect(await memoryOf(cast, id)).toContain('tea')
      expect(await memoryOf(cast, id)).not.toContain('coffee')
      const shown = cast.askedOf('Ann', 1).body.messages
      expect(shown.slice(-4).map((message: any) => message.tool_call_id)).toEqual(['free', 'a', 'b', 'c'])
      const listed = await cast.api.get<any[]>(`${path}?order=asc&limit=100`)
      const own = listed.filter(({ message_type: type }) => !/^(system|user|approval_response)_/.test(type))
      expect([...asked.messages, ...answered.messages].map((message) => ({ ...message, seq_id: null }))).toEqual(own)
    },
  )

  test('F68 answers that do not fit are refused with what is missing, and change nothing', async () => {
    const { cast, path, id } = await paused(asks(insert('tea', 'a'), insert('coffee', 'b')))
    for (const [approvals, status] of [
      [[yes('a')], 400],
      [[yes('a'), yes('x')], 400],
      [[yes('a'), yes('b'), yes('x')], 400],
      [[yes('x')], 400],
      [[], 422],
    ] as const) {
      const refused = await cast.api.call<any>('POST', path, answer(...approvals))
      expect(refused.status, JSON.stringify(approvals)).toBe(status)
      expect(refused.headers.get('x-should-retry')).toBe('false')
      if (status === 400)
        expect(refused.body.detail).toMatch(/Invalid tool call IDs\. Expected '\['a', 'b'\]', but received '\[/)
    }
    expect((await cast.api.call('POST', path, { messages: [{ type: 'approval', approvals: null }] })).status).toBe(422)
    expect((await cast.api.call('POST', path, { messages: [say('Hi'), ...answer(yes('a')).messages] })).status).toBe(400)
    // One that is given twice counts once, in whichever order they come.
    expect((await cast.send(path, answer(yes('b'), yes('a'), no('a')))).stop).toBe('end_turn')
    expect(await memoryOf(cast, id)).toContain('tea')
  })

  test('an answer that nobody waits for is refused', async () => {
    const cast = await startCast()
    const { id } = await cast.actor('Ann', careful)
    const { id: troupe } = await cast.troupe('round_robin', ['Bob'])
    for (const path of [`/v1/agents/${id}/messages`, `/v1/groups/${troupe}/messages`, `/v1/agents/${id}/messages/stream`]) {
      const refused = await cast.api.call<any>('POST', path, answer(yes()))
      expect(refused).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('No tool call is currently awaiting approval') },
      })
    }
    const unknown = id.replace(/.{4}$/, '0000')
    expect((await cast.api.call('POST', `/v1/agents/${unknown}/messages`, answer(yes()))).status).toBe(404)
  })

  test('the deprecated way names the message that asks, and may be repeated, too', async () => {
    const { cast, path, request, id } = await paused()
    const old = { messages: [{ type: 'approval', approve: true, approval_request_id: request.id }] }
    const first = await cast.send(path, old)
    expect(first.stop).toBe('end_turn')
    expect(await memoryOf(cast, id)).toContain('tea')
    expect((await cast.send(path, old)).run).toBe(first.run)
    expect(cast.llm.requests).toHaveLength(2)
  })

  test('the deprecated way cannot answer several calls', async () => {
    const { cast, path, request } = await paused(asks(insert('tea', 'a'), insert('coffee', 'b')))
    const old = { messages: [{ type: 'approval', approve: true, approval_request_id: request.id }] }
    expect(await cast.api.call('POST', path, old)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('Invalid tool call IDs') },
    })
  })

  test.each(modes)('F68 %s: the same answer again leads to the same run, while it works and afterwards', async (mode) => {
    const { cast, path } = await paused()
    const held = cast.llm.hold()
    const first = cast.send(path, answer(yes()), 'in tokens')
    await cast.llm.received(2)
    const second = cast.send(path, answer(yes()), mode)
    const third = cast.api.stream(path, { ...answer(yes()), streaming: true })
    expect((await third).headers.get('x-letta-run-id')).toMatch(/^run-/)
    held.push('Thank you.')
    held.finish()
    const [one, two] = await Promise.all([first, second])
    const three = await cast.send(path, answer(yes(), yes()), mode)
    expect([two.run, three.run]).toEqual([one.run, one.run])
    expect(three.messages.map(({ content }) => content)).toEqual(one.messages.map(({ content }) => content))
    await allEvents(await third)
    expect(cast.llm.requests).toHaveLength(2)
  })

  test('F68 of two clients that answer at once one decides, and both see what came of it', async () => {
    const { cast, path, id } = await paused()
    const [a, b] = await Promise.all([cast.send(path, answer(yes()), 'in tokens'), cast.send(path, answer(no()))])
    expect(a.run).toBe(b.run)
    expect(cast.llm.requests).toHaveLength(2)
    const [returned] = [returnIn(a), returnIn(b)]
    expect(returnIn(b).tool_return).toBe(returned.tool_return)
    expect((await memoryOf(cast, id)).includes('tea')).toBe(returned.status === 'success')
  })

  test('F68 what has waited too long is denied; the agent is free, and the answer comes too late', async () => {
    const { cast, path, asked, id } = await paused(undefined, {}, { ROUNDTABLE_APPROVAL_SECONDS: '0.001' })
    const late = await cast.api.call('POST', path, answer(yes()))
    expect(late).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('No tool call is currently awaiting approval') },
    })
    expect(await memoryOf(cast, id)).toBe('')
    expect(await cast.api.get(`/v1/runs/${asked.run}`)).toMatchObject({ status: 'cancelled' })
    expect((await cast.send(path, hi)).stop).toBe('end_turn')
    expect(heard(cast.askedOf('Ann', 1)).slice(-2)).toEqual([
      'tool: Error: request to call tool denied. User reason: Nobody answered in time, so the tool call was denied.',
      'user: Hi',
    ])
  })

  test('a message waits no longer than the calls may: it denies them', async () => {
    const { cast, path } = await paused(undefined, {}, { ROUNDTABLE_APPROVAL_SECONDS: '0.001' })
    expect((await cast.send(path, hi)).stop).toBe('end_turn')
  })

  test.each(modes)(
    '%s: what the user says together with the answer is heard after the returns, even in the last step',
    async (mode) => {
      const { cast, path } = await paused()
      const { messages } = answer(no())
      const answered = await cast.send(
        path,
        { messages: [...messages, say('Ask me first.'), say('Always.')], max_steps: 1 },
        mode,
      )
      expect(answered.stop).toBe('end_turn')
      expect(heard(cast.askedOf('Ann', 1)).slice(-3)).toEqual([
        'tool: Error: request to call tool denied.',
        'user: Ask me first.',
        'user: Always.',
      ])
      const listed = await cast.api.get<any[]>(`/v1/runs/${answered.run}/messages`)
      expect(listed.map(({ message_type: type, content }) => content ?? type)).toEqual([
        'approval_response_message',
        'tool_return_message',
        'Ask me first.',
        'Always.',
        'Thank you.',
      ])
    },
  )

  test.each(['run', 'agent'] as const)('a cancel of the waiting %s denies the calls and frees the agent', async (what) => {
    const replace = { id: 'free', name: 'memory_replace', arguments: '{}' }
    const { cast, path, id, asked } = await paused(asks(replace, insert('tea')))
    if (what === 'run') {
      expect(await cast.api.post(`/v1/runs/${asked.run}/cancel`)).toMatchObject({
        status: 'cancelled',
        stop_reason: 'cancelled',
      })
      expect(await cast.api.post(`/v1/runs/${asked.run}/cancel`)).toMatchObject({ status: 'cancelled' })
    } else expect(await cast.api.post(`${path}/cancel`)).toEqual({ [asked.run]: 'cancelled' })
    expect((await cast.api.call('POST', path, answer(yes()))).status).toBe(400)
    const listed = await cast.api.get<any[]>(`${path}?order=asc`)
    expect(listed.slice(-2)).toMatchObject([
      { message_type: 'approval_response_message', approve: false, approvals: [{ tool_call_id: 'call_1', approve: false }] },
      {
        message_type: 'tool_return_message',
        tool_returns: [{ tool_call_id: 'free', status: 'error' }, { tool_call_id: 'call_1' }],
      },
    ])
    expect(listed.at(-1).tool_returns[1].tool_return).toContain('The user cancelled the request, so the tool call was denied.')
    expect((await cast.send(path, hi)).stop).toBe('end_turn')
    expect(await memoryOf(cast, id)).toBe('')
  })

  test('a tool that ends the turn ends it with leave, too; after a refusal the model goes on', async () => {
    const cast = await startCast()
    const rules = [...careful.tool_rules, { type: 'exit_loop', tool_name: 'memory_insert' }]
    const { id } = await cast.actor('Ann', { ...careful, tool_rules: rules })
    cast.play({ Ann: [asks(insert('tea'))] })
    const path = `/v1/agents/${id}/messages`
    await cast.send(path, hi)
    expect(await cast.send(path, answer(no()))).toMatchObject({ stop: 'requires_approval' })
    expect(await cast.send(path, answer(yes()))).toMatchObject({ stop: 'tool_rule', usage: { step_count: 0 } })
    expect(cast.llm.requests).toHaveLength(2)
  })
})

/** In each of these Bob asks for leave in the middle. */
const kinds: Record<
  string,
  { names: string[]; manager?: string; before: string; after: string; lines: Record<string, Answer[]> }
> = {
  round_robin: { names: ['Ann', 'Bob', 'Cyd', 'Dan'], before: 'Ann Bob', after: 'Bob Cyd Dan', lines: {} },
  dynamic: {
    names: ['Ann', 'Bob', 'Cyd'],
    manager: 'Max',
    before: 'Max Ann Max Bob',
    after: 'Bob Max Cyd',
    lines: {
      Max: ['Ann', 'Bob', 'Cyd'].map((name) => ({
        toolCalls: [{ name: 'choose_next_participant', arguments: JSON.stringify({ name }) }],
      })),
    },
  },
  supervisor: {
    names: ['Ann', 'Bob', 'Cyd'],
    manager: 'Max',
    before: 'Ann Bob Cyd Max',
    after: 'Bob Max',
    lines: {
      Max: [
        { toolCalls: [{ name: 'send_message_to_all_agents_in_group', arguments: '{"message":"Go!"}' }] },
        { text: 'Max speaks.' },
      ],
    },
  },
  swarm: {
    names: ['Ann', 'Bob', 'Cyd'],
    before: 'Ann Bob',
    after: 'Bob Cyd',
    lines: {
      Ann: [{ text: 'Ann speaks.', toolCalls: [{ name: 'transfer_to_Bob', arguments: '{}' }] }],
    },
  },
  sleeptime: { names: ['Sue'], manager: 'Bob', before: 'Bob', after: 'Bob', lines: {} },
}

async function group(kind: string, settings: Record<string, string> = {}) {
  const cast = await startCast(settings)
  const { names, manager, lines: said } = kinds[kind]!
  const made = await cast.troupe(kind, names, {
    ...(manager !== undefined && { manager }),
    ...(kind === 'sleeptime' && { sleeptime_agent_frequency: 5 }),
    actors: { Bob: careful },
  })
  const reply =
    kind === 'swarm' ? { text: 'Thanks.', toolCalls: [{ name: 'transfer_to_Cyd', arguments: '{}' }] } : { text: 'Thanks.' }
  const play = (bob: Answer[]) => cast.play({ ...structuredClone(said), Bob: bob })
  play([asks(insert('likes tea')), reply])
  const bob = names.includes('Bob') ? made.agent_ids[names.indexOf('Bob')]! : made.manager_agent_id!
  return { cast, made, bob, path: `/v1/groups/${made.id}/messages`, play, reply }
}

describe.each(Object.keys(kinds))('in the middle of a %s turn', (kind) => {
  const { before, after } = kinds[kind]!
  const sorted = (names: string) => names.split(' ').toSorted().join(' ')

  test.each(modes)('%s: the member that asks is named, and after the answer it goes on from there', async (mode) => {
    const { cast, path, bob, made } = await group(kind)
    const asked = await cast.send(path, hi, mode)
    expect(asked.stop).toBe('requires_approval')
    expect(requestIn(asked)).toMatchObject({ name: 'Bob', sender_id: bob, run_id: asked.run })
    expect(asked.usage.run_ids).toEqual([asked.run])
    const first = cast.asked()
    expect(kind === 'supervisor' ? sorted(first) : first).toBe(kind === 'supervisor' ? sorted(before) : before)
    const everybody = [
      path,
      ...[...made.agent_ids, bob].filter((id) => kind !== 'sleeptime' || id === bob).map((id) => `/v1/agents/${id}/messages`),
    ]
    for (const way of everybody) {
      const status = way.includes(bob) || way === path ? 409 : 200
      if (status === 409) expect((await cast.api.call('POST', way, hi)).status).toBe(409)
    }
    const answered = await cast.send(path, answer(yes()), mode)
    expect(cast.asked()).toBe(`${first} ${after}`)
    expect(answered.stop).toBe('end_turn')
    expect(answered.usage.step_count).toBe(after.split(' ').length)
    expect(await memoryOf(cast, bob)).toContain('likes tea')
    expect(answered.messages[0]).toMatchObject({ message_type: 'tool_return_message', sender_id: bob })
    const { metadata } = await cast.api.get<any>(`/v1/runs/${answered.run}`)
    expect(metadata).toMatchObject({ group_id: made.id, manager_type: kind })
    const listed = await cast.api.get<any[]>(`${path}?limit=100&order=asc`)
    // One transcript, each thing in it once.
    const own = listed.filter(({ message_type: type }) => !/^(user|approval_response)_/.test(type))
    const streamed = [...asked.messages, ...answered.messages].map((message) => ({ ...message, seq_id: null }))
    const byOtid = (a: any, b: any) => a.otid.localeCompare(b.otid)
    expect(streamed.toSorted(byOtid)).toEqual(own.toSorted(byOtid))
    if (kind !== 'supervisor') expect(streamed).toEqual(own)
    if (kind === 'sleeptime') expect(answered.usage.run_ids).toHaveLength(2)
  })

  test('it is answered at the agent as well; a refusal and the caller’s own tool go the same way', async () => {
    const { cast, path, bob, play, reply } = await group(kind)
    play([asks(insert('likes tea')), { toolCalls: [{ name: 'look', arguments: '{}' }] }, reply])
    const asked = await cast.send(path, hi)
    const other = await cast.send(`/v1/agents/${bob}/messages`, { ...answer(no()), client_tools: [look] })
    expect(other.stop).toBe('requires_approval')
    expect(lines(other.messages)).toEqual(['tool_return Error: request to call tool denied.', 'Bob approval_request look'])
    const third = await cast.send(path, { messages: [{ type: 'tool_return', tool_returns: [gives('call_1', 'Rain.')] }] })
    expect(third.stop).toBe('end_turn')
    expect(cast.asked().endsWith(`Bob ${after}`)).toBe(true)
    expect(new Set([asked.run, other.run, third.run]).size).toBe(3)
  })

  test('a cancel while it waits denies the calls; the group is free', async () => {
    const { cast, path, bob, play } = await group(kind)
    const asked = await cast.send(path, hi)
    await cast.api.post(`/v1/runs/${asked.run}/cancel`)
    play([{ text: 'Never mind.' }])
    const next = await cast.send(path, { messages: [say('Go on')] })
    expect(next.stop).toBe('end_turn')
    const shown = heard(cast.llm.requests.findLast(({ body }) => body.messages[0].content.startsWith('I am Bob'))!)
    expect(shown).toContain('user: Go on')
    expect(shown.find((line) => line.startsWith('tool: '))).toContain('The user cancelled the request')
    expect(await memoryOf(cast, bob)).toBe('')
  })
})

test('THE turn: asked in turn 2 of 4, answered by another client after a restart: turns 2 to 4 complete, turn 1 is not repeated', async () => {
  const DATABASE_URL = `file:${join(tempFolder(), 'kept.db')}`
  const { cast: before, path, made } = await group('round_robin', { DATABASE_URL })
  const asked = await before.send(path, hi, 'in tokens')
  expect(before.asked()).toBe('Ann Bob')
  await before.close()

  const after = await startCast({ DATABASE_URL })
  // Whoever comes finds what is asked in the list.
  const [request] = (await after.api.get<any[]>(`${path}?limit=1`)) as [any]
  expect(request).toMatchObject({ message_type: 'approval_request_message', name: 'Bob', run_id: asked.run })
  expect((await after.api.call('POST', path, hi)).status).toBe(409)
  const ids = request.tool_calls.map((call: any) => yes(call.tool_call_id))
  const answered = await after.send(path, answer(...ids), 'in tokens')
  expect(after.asked()).toBe('Bob Cyd Dan')
  expect(answered.given.map(({ id }) => id)).toEqual(answered.given.map((_, index) => index + 1))
  expect(answered.given.flatMap(({ data }) => data.seq_id ?? [])).toEqual(
    answered.given.slice(0, -1).map((_, index) => index + 1),
  )
  expect(answered).toMatchObject({ stop: 'end_turn', usage: { step_count: 3 } })
  const transcript = await after.api.get<any[]>(`${path}?limit=100&order=asc`)
  expect(lines(transcript)).toEqual([
    'user Hi',
    'Ann assistant Ann speaks.',
    'Bob assistant May I?',
    'Bob approval_request memory_insert',
    'approval_response',
    expect.stringMatching(/^tool_return /),
    'Bob assistant Bob speaks.',
    'Cyd assistant Cyd speaks.',
    'Dan assistant Dan speaks.',
  ])
  expect(heard(after.askedOf('Dan'))).toEqual([
    'user: Hi',
    'user: Ann: Ann speaks.',
    'user: Bob: May I?',
    'user: Bob: Bob speaks.',
    'user: Cyd: Cyd speaks.',
  ])
  // The answer again, by the first client: the same run, read from its beginning.
  const again = await after.send(path, answer(...ids), 'in tokens')
  expect(again.run).toBe(answered.run)
  expect(again.given).toEqual(answered.given)
  const followed = await allEvents(await fetch(`${after.url}/v1/runs/${answered.run}/stream`))
  expect(collect(answered.run, followed).messages).toEqual(answered.messages)
  expect(after.llm.requests).toHaveLength(3)
  expect((await after.api.get<Group>(`/v1/groups/${made.id}`)).agent_ids).toEqual(made.agent_ids)
})

test('members of a supervisor that wait together are answered together; what the user adds is heard by each once', async () => {
  const cast = await startCast()
  const made = await cast.troupe('supervisor', ['Ann', 'Bob', 'Cyd'], {
    manager: 'Max',
    actors: { Bob: careful, Cyd: careful },
  })
  const path = `/v1/groups/${made.id}/messages`
  cast.play({
    ...structuredClone(kinds['supervisor']!.lines),
    Bob: [asks(insert('tea', 'b')), { text: 'Bob is done.' }],
    Cyd: [asks(insert('coffee', 'c')), { text: 'Cyd is done.' }],
  })
  expect((await cast.send(path, hi)).stop).toBe('requires_approval')
  expect((await cast.api.call('POST', path, answer(yes('b')))).status).toBe(400)
  const { messages } = answer(yes('b'), no('c'))
  const answered = await cast.send(path, { messages: [...messages, say('Thanks.')] }, 'in tokens')
  expect(answered).toMatchObject({ stop: 'end_turn', usage: { step_count: 3 } })
  expect(await memoryOf(cast, made.agent_ids[1]!)).toContain('tea')
  const entries = JSON.parse(answered.messages.findLast(({ message_type: type }) => type === 'tool_return_message').tool_return)
  expect(entries.map(({ response }: any) => response)).toEqual([
    ['Ann speaks.'],
    ['May I?', 'Bob is done.'],
    ['May I?', 'Cyd is done.'],
  ])
  for (const shown of [heard(cast.askedOf('Bob', 1)), heard(cast.askedOf('Cyd', 1)), heard(cast.askedOf('Max', 1))]) {
    expect(shown.filter((line) => line === 'user: Thanks.')).toHaveLength(1)
  }
  const listed = await cast.api.get<any[]>(`${path}?limit=100`)
  expect(listed.filter(({ content }) => content === 'Thanks.')).toHaveLength(1)
})

test('what is said with leave is heard; a hand-over beside a call that waits is made when it is answered', async () => {
  const cast = await startCast()
  const speaker = {
    agent_type: 'memgpt_v2_agent',
    include_base_tools: true,
    memory_blocks: [{ label: 'human', value: '' }],
    tool_rules: [{ type: 'requires_approval', tool_name: 'send_message' }],
  }
  const made = await cast.troupe('swarm', ['Ann', 'Bob'], { actors: { Ann: speaker } })
  const path = `/v1/groups/${made.id}/messages`
  cast.play({
    Ann: [
      {
        toolCalls: [
          { id: 'a', name: 'send_message', arguments: '{"message":"Tea, Bob?"}' },
          { id: 'b', name: 'transfer_to_Bob', arguments: '{}' },
        ],
      },
    ],
  })
  const asked = await cast.send(path, hi)
  expect(asked.stop).toBe('requires_approval')
  const answered = await cast.send(path, answer(yes('a')))
  expect(cast.asked()).toBe('Ann Bob')
  expect(answered.stop).toBe('end_turn')
  expect(heard(cast.askedOf('Bob'))).toEqual(['user: Hi', 'user: Ann: Tea, Bob?'])
})

test('a call that waits beside a word that cannot be read, and one that can', async () => {
  const cast = await startCast()
  const made = await cast.troupe('round_robin', ['Ann', 'Bob'], {
    actors: { Ann: { ...careful, include_base_tools: true, agent_type: 'letta_v1_agent' } },
  })
  const [tool] = await cast.api.get<{ id: string }[]>('/v1/tools/?name=send_message')
  await cast.api.patch(`/v1/agents/${made.agent_ids[0]}/tools/attach/${tool!.id}`)
  const speak = (id: string, args: string) => ({ id, name: 'send_message', arguments: args })
  cast.play({
    Ann: [{ toolCalls: [speak('x', '{"mess'), speak('y', '{"message":"Tea!"}'), insert('tea')] }, { text: 'Well.' }],
  })
  const path = `/v1/groups/${made.id}/messages`
  expect((await cast.send(path, hi)).stop).toBe('requires_approval')
  expect((await cast.send(path, answer(yes()))).stop).toBe('end_turn')
  expect(heard(cast.askedOf('Bob'))).toEqual(['user: Hi', 'user: Ann: Tea!', 'user: Ann: Well.'])
})

test('a manager that broadcasts beside a call that waits is answered first', async () => {
  const cast = await startCast()
  const made = await cast.troupe('supervisor', ['Ann', 'Bob'], { manager: 'Max' })
  const path = `/v1/groups/${made.id}/messages`
  const broadcast = { id: 'b', name: 'send_message_to_all_agents_in_group', arguments: '{"message":"Go!"}' }
  cast.play({ Max: [{ toolCalls: [{ id: 'l', name: 'look', arguments: '{}' }, broadcast] }, { text: 'Done.' }] })
  expect((await cast.send(path, { ...hi, client_tools: [look] })).stop).toBe('requires_approval')
  expect(cast.asked()).toBe('Max')
  const answered = await cast.send(path, answer(gives('l', 'Rain.')))
  expect(cast.asked().split(' ').slice(1, 3).toSorted()).toEqual(['Ann', 'Bob'])
  expect(answered).toMatchObject({ stop: 'end_turn', usage: { step_count: 3 } })
  expect(heard(cast.askedOf('Ann'))).toEqual(['user: Hi', 'user: Max: Go!'])
  const shown = heard(cast.askedOf('Max', 1))
  expect(shown.filter((line) => line.startsWith('tool: '))).toEqual([
    expect.stringMatching(/^tool: (Rain\.|\[\{)/),
    expect.any(String),
  ])
})

test('a choice that was made for the manager is told once, not again after an answer', async () => {
  const cast = await startCast()
  const made = await cast.troupe('dynamic', ['Ann', 'Bob'], { manager: 'Max', actors: { Ann: careful }, max_turns: 1 })
  const path = `/v1/groups/${made.id}/messages`
  cast.play({ Max: [{ text: 'Nobody.' }], Ann: [asks(insert('tea')), { text: 'Thanks.' }] })
  const asked = await cast.send(path, hi, 'in steps')
  expect(asked.messages.filter(({ message_type: type }) => type === 'event_message')).toHaveLength(1)
  const answered = await cast.send(path, answer(yes()), 'in steps')
  expect(lines(answered.messages)).toEqual([expect.stringMatching(/^tool_return /), 'Ann assistant Thanks.'])
  expect(cast.asked()).toBe('Max Max Ann Ann')
})

test('a run that was answered can be cancelled, and then the agent is free', async () => {
  const { cast, path } = await paused()
  cast.play({ Ann: [{ silent: true }] })
  const response = await cast.api.stream(path, { ...answer(yes()), streaming: true })
  const stream = events(response)
  await upTo(stream, 'tool_return_message')
  await cast.llm.received(2)
  await cast.api.post(`/v1/runs/${response.headers.get('x-letta-run-id')}/cancel`)
  await Array.fromAsync(stream)
  cast.play({})
  expect((await cast.send(path, hi)).stop).toBe('end_turn')
})

test('a background agent that waits for leave does its next work when it is answered', async () => {
  const cast = await startCast()
  const { id, agent_ids } = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max', actors: { Sue: careful } })
  cast.play({ Sue: [asks(insert('tea')), { text: 'Noted.' }] })
  const path = `/v1/groups/${id}/messages`
  const one = await cast.send(path, hi)
  const follow = async (run: string) => collect(run, await allEvents(await fetch(`${cast.url}/v1/runs/${run}/stream`)))
  expect((await follow(one.usage.run_ids[1])).stop).toBe('requires_approval')
  // The one who talks is not held up.
  const two = await cast.send(path, hi)
  expect(await cast.api.get(`/v1/runs/${two.usage.run_ids[1]}`)).toMatchObject({ status: 'created' })
  expect((await cast.send(`/v1/agents/${agent_ids[0]}/messages`, answer(yes()))).stop).toBe('end_turn')
  expect((await follow(two.usage.run_ids[1])).stop).toBe('end_turn')
})

test.each(['while another member speaks', 'while it waits'] as const)(
  'a supervisor’s run that is cancelled %s leaves no call without a result, and nobody waiting',
  async (when) => {
    const cast = await startCast()
    const made = await cast.troupe('supervisor', ['Ann', 'Bob'], { manager: 'Max', actors: { Bob: careful } })
    const path = `/v1/groups/${made.id}/messages`
    const spoken = Promise.withResolvers<void>()
    cast.play({
      ...structuredClone(kinds['supervisor']!.lines),
      Bob: [asks(insert('tea', 'b')), { text: 'Bob speaks.' }],
      Ann: async () => {
        if (when === 'while another member speaks') await spoken.promise
        return { text: 'Ann speaks.' }
      },
    })
    const response = await cast.api.stream(`${path}/stream`, { ...hi, stream_tokens: true })
    const stream = events(response)
    await upTo(stream, 'approval_request_message')
    const run = response.headers.get('x-letta-run-id')
    if (when === 'while it waits') for await (const _ of stream);
    else while ((await cast.api.get<object[]>(`/v1/runs/${run}/steps`)).length < 2);
    await cast.api.post(`/v1/runs/${run}/cancel`)
    spoken.resolve()

    const listed = await cast.api.get<any[]>(`/v1/runs/${run}/messages`)
    const calls = listed.flatMap(({ tool_calls: all }) => (all ?? []).map((call: any) => call.tool_call_id))
    const returned = listed.flatMap(({ tool_returns: all }) => (all ?? []).map((one: any) => one.tool_call_id))
    expect(calls).toHaveLength(2)
    expect(returned.toSorted()).toEqual(calls.toSorted())
    cast.play({ Max: [{ text: 'Max alone.' }] })
    expect((await cast.send(path, { messages: [say('Again')] })).stop).toBe('end_turn')
  },
)
