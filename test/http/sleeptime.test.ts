import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tempFolder } from '../support/server.ts'
import { type Cast, heard, lines, modes, speakerOf, startCast } from './cast.ts'
import { allEvents, events, spoken, upTo, words } from './events.ts'

const say = (content: string) => ({ messages: [{ role: 'user', content }] })

interface Run {
  id: string
  status: string
  agent_id: string
  background: boolean
  metadata: Record<string, unknown>
}

const runsOf = ({ api }: Cast, agent: string) => api.get<Run[]>(`/v1/runs/?agent_id=${agent}&order=asc`)

/** Reads a run to its end, from wherever it is. */
const follow = async ({ url }: Cast, run: string) => await allEvents(await fetch(`${url}/v1/runs/${run}/stream`))

test.each(modes.flatMap((mode) => (['group', 'agent'] as const).map((way) => [mode, way] as const)))(
  '%s, through the %s: with a frequency of 2 the background works after messages 1, 3 and 5',
  async (mode, way) => {
    const cast = await startCast()
    const { id, agent_ids, manager_agent_id } = await cast.troupe('sleeptime', ['Sue'], {
      manager: 'Max',
      sleeptime_agent_frequency: 2,
    })
    const path = way === 'group' ? `/v1/groups/${id}/messages` : `/v1/agents/${manager_agent_id}/messages`
    const background: string[][] = []
    for (let n = 1; n <= 6; n++) {
      const { usage, run, messages } = await cast.send(path, say(`Message ${n}`), mode)
      expect(lines(messages)).toEqual(['Max assistant Max speaks.'])
      expect(usage.run_ids[0]).toBe(run)
      background.push(usage.run_ids.slice(1))
      for (const other of background.at(-1)!) {
        const followed = await follow(cast, other)
        expect(words(followed)).toEqual(['ping', 'assistant_message', 'stop_reason end_turn', 'usage_statistics', '[DONE]'])
        expect(spoken(followed)).toEqual(['Sue: Sue speaks.'])
      }
      expect(await cast.api.get(`/v1/runs/${run}`)).toMatchObject({ agent_id: manager_agent_id, metadata: { group_id: id } })
    }
    expect(background.map(({ length }) => length)).toEqual([1, 0, 1, 0, 1, 0])
    const runs = await runsOf(cast, agent_ids[0]!)
    expect(runs.map((run) => run.id)).toEqual(background.flat())
    for (const run of runs) {
      expect(run).toMatchObject({
        status: 'completed',
        background: true,
        stop_reason: 'end_turn',
        metadata: { run_type: 'sleeptime_agent_send_message_async' },
      })
    }
    // The second one sees what came since the first, and nothing twice.
    const second = heard(cast.askedOf('Sue', 1)).filter((line) => /^user: (user|assistant): /.test(line))
    expect(second.slice(2)).toEqual([
      'user: user: Message 2',
      'user: assistant: Max speaks.',
      'user: user: Message 3',
      'user: assistant: Max speaks.',
    ])
    expect(heard(cast.askedOf('Sue')).join('\n')).toContain('user: user: Message 1\nuser: assistant: Max speaks.')
    // The one who answers is alone with the user, and knows nothing of helpers.
    expect(heard(cast.askedOf('Max', 1))).toEqual(['user: Message 1', 'assistant: Max speaks.', 'user: Message 2'])
    expect(cast.askedOf('Max').body.messages[0].content).not.toContain('Sue')
    expect(await cast.api.get(`/v1/groups/${id}`)).toMatchObject({ turns_counter: 1 })
    const transcript = await cast.api.get<{ message_type: string }[]>(`/v1/groups/${id}/messages?limit=100`)
    expect(transcript).toHaveLength(12)
  },
)

test('without a frequency the background works after every message', async () => {
  const cast = await startCast()
  const { id } = await cast.troupe('sleeptime', ['Sue', 'Sid'], { manager: 'Max' })
  for (let n = 0; n < 3; n++) {
    const { usage } = await cast.send(`/v1/groups/${id}/messages`, say('Hi'))
    expect(usage.run_ids).toHaveLength(3)
    await Promise.all(usage.run_ids.slice(1).map((run: string) => follow(cast, run)))
  }
})

test('what is asked of the foreground is not asked of the background', async () => {
  const cast = await startCast()
  const { id } = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max' })
  const { usage } = await cast.send(`/v1/groups/${id}/messages`, {
    ...say('Hi'),
    override_system: 'I am Other.',
    client_tools: [{ name: 'look' }],
    include_return_message_types: ['tool_call_message'],
    max_steps: 1,
  })
  expect(spoken(await follow(cast, usage.run_ids[1]))).toEqual(['Sue: Sue speaks.'])
  expect(cast.asked()).toBe('Other Sue')
  expect(cast.askedOf('Sue').body.tools).toBeUndefined()
})

test('the background hurts no foreground: it is followed before it begins, never works twice at once, and may fail', async () => {
  const cast = await startCast()
  const { id, agent_ids } = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max' })
  const [first, third] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let working = 0
  let most = 0
  let calls = 0
  cast.play({
    async Sue() {
      most = Math.max(most, ++working)
      const call = ++calls
      if (call === 1) await first.promise
      if (call === 3) await third.promise
      working--
      return call === 2 ? { status: 400 } : { text: `Done ${call}.` }
    },
  })
  const one = await cast.send(`/v1/groups/${id}/messages`, say('One'))
  await cast.llm.received(2)
  // While Sue works the foreground is free.
  const two = await cast.send(`/v1/groups/${id}/messages`, say('Two'), 'in tokens')
  const three = await cast.send(`/v1/groups/${id}/messages`, say('Three'), 'in steps')
  expect([two.stop, three.stop]).toEqual(['end_turn', 'end_turn'])
  expect((await runsOf(cast, agent_ids[0]!)).map(({ status }) => status)).toEqual(['running', 'created', 'created'])
  const waiting = await fetch(`${cast.url}/v1/runs/${three.usage.run_ids[1]}/stream`)
  expect(waiting.status).toBe(200)
  first.resolve()
  expect(spoken(await follow(cast, one.usage.run_ids[1]))).toEqual(['Sue: Done 1.'])
  const failed = await follow(cast, two.usage.run_ids[1])
  expect(words(failed).slice(-2)).toEqual([expect.stringMatching(/^error error_message/), '[DONE]'])
  third.resolve()
  expect(spoken(await allEvents(waiting))).toEqual(['Sue: Done 3.'])
  expect(most).toBe(1)
  expect((await runsOf(cast, agent_ids[0]!)).map(({ status }) => status)).toEqual(['completed', 'failed', 'completed'])
  for (const { run } of [one, two, three]) expect(await cast.api.get(`/v1/runs/${run}`)).toMatchObject({ status: 'completed' })
  // Each was told of its own message only, in their order.
  const asked = cast.llm.requests.filter(({ body }) => speakerOf(body) === 'Sue').map((request) => heard(request).join('\n'))
  expect(asked.map((text) => text.match(/user: (One|Two|Three)/g)!.at(-1))).toEqual(['user: One', 'user: Two', 'user: Three'])
})

test('a background run that waits can be cancelled', async () => {
  const cast = await startCast()
  const { id, agent_ids } = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max' })
  const held = Promise.withResolvers<void>()
  cast.play({ Sue: () => held.promise.then(() => ({ text: 'Done.' })) })
  await cast.send(`/v1/groups/${id}/messages`, say('One'))
  const two = await cast.send(`/v1/groups/${id}/messages`, say('Two'))
  const [, waiting] = two.usage.run_ids
  expect(await cast.api.post(`/v1/runs/${waiting}/cancel`)).toMatchObject({ status: 'cancelled' })
  expect(words(await follow(cast, waiting))).toEqual(['stop_reason cancelled', 'usage_statistics', '[DONE]'])
  held.resolve()
  const three = await cast.send(`/v1/groups/${id}/messages`, say('Three'))
  await follow(cast, three.usage.run_ids[1])
  expect((await runsOf(cast, agent_ids[0]!)).map(({ status }) => status)).toEqual(['completed', 'cancelled', 'completed'])
})

test('a run that failed or was cancelled leaves nothing for the background, and does not count', async () => {
  const cast = await startCast()
  const { id, agent_ids } = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max', sleeptime_agent_frequency: 2 })
  cast.play({ Max: [{ status: 400 }] })
  expect((await cast.api.call('POST', `/v1/groups/${id}/messages`, say('One'))).status).toBe(400)
  expect(await runsOf(cast, agent_ids[0]!)).toEqual([])
  cast.play({})
  const { usage } = await cast.send(`/v1/groups/${id}/messages`, say('Two'))
  expect(usage.run_ids).toHaveLength(2)
  await follow(cast, usage.run_ids[1])
})

test('a background run that had not begun when the server stopped is done after the restart', async () => {
  const DATABASE_URL = `file:${join(tempFolder(), 'kept.db')}`
  const before = await startCast({ DATABASE_URL, ROUNDTABLE_SHUTDOWN_SECONDS: '30' })
  const { id, agent_ids } = await before.troupe('sleeptime', ['Sue'], { manager: 'Max' })
  const held = before.llm.hold()
  const response = await before.api.stream(`/v1/groups/${id}/messages/stream`, { ...say('Remember me'), stream_tokens: true })
  const stream = events(response)
  await before.llm.received(1)
  held.push('Max speaks.')
  await upTo(stream, 'assistant_message')
  // From now on nothing new begins; what is on its way comes to its end.
  const closed = before.close()
  held.finish()
  const { data } = await upTo(stream, 'usage_statistics')
  await Array.fromAsync(stream)
  await closed
  expect(data.run_ids).toHaveLength(2)
  expect(before.asked()).toBe('Max')

  const after = await startCast({ DATABASE_URL })
  expect(spoken(await follow(after, data.run_ids[1]))).toEqual(['Sue: Sue speaks.'])
  expect(after.asked()).toBe('Sue')
  expect(heard(after.askedOf('Sue')).join('\n')).toContain('user: user: Remember me\nuser: assistant: Max speaks.')
  expect(await runsOf(after, agent_ids[0]!)).toMatchObject([{ id: data.run_ids[1], status: 'completed' }])
})

test('voice: what no longer fits leaves the context, at a message of the user’s, and the companion is given it by number', async () => {
  const cast = await startCast()
  const { id, agent_ids, manager_agent_id } = await cast.troupe('voice_sleeptime', ['Sue'], {
    manager: 'Max',
    max_message_buffer_length: 8,
    min_message_buffer_length: 5,
  })
  const ids: number[] = []
  for (let n = 1; n <= 5; n++) {
    const { usage } = await cast.send(`/v1/agents/${manager_agent_id}/messages`, say(`Message ${n}`))
    ids.push(usage.run_ids.length)
    for (const run of usage.run_ids.slice(1)) await follow(cast, run)
  }
  // The fifth exchange makes ten: six leave, so that the rest begins with the user.
  expect(ids).toEqual([1, 1, 1, 1, 2])
  expect(heard(cast.askedOf('Sue')).filter((line) => /^user: \d/.test(line))).toEqual([
    'user: 0. user: Message 1',
    'user: 1. assistant: Max speaks.',
    'user: 2. user: Message 2',
    'user: 3. assistant: Max speaks.',
    'user: 4. user: Message 3',
    'user: 5. assistant: Max speaks.',
  ])
  await cast.send(`/v1/groups/${id}/messages`, say('Message 6'))
  expect(heard(cast.askedOf('Max', 5))).toEqual([
    'user: Message 4',
    'assistant: Max speaks.',
    'user: Message 5',
    'assistant: Max speaks.',
    'user: Message 6',
  ])
  // Nothing is lost but from the view.
  expect(await cast.api.get(`/v1/agents/${manager_agent_id}/messages?limit=100`)).toHaveLength(1 + 12)
  expect(await runsOf(cast, agent_ids[0]!)).toHaveLength(1)
})
