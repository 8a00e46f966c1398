import { expect, test, vi } from 'vitest'
import type { RunRow, Store } from '../../src/db/store.ts'
import { NotFound, RunBusy } from '../../src/errors.ts'
import { agentTools, type SendToAgent } from '../../src/tools/agents.ts'
import { ToolError } from '../../src/tools/tool.ts'
import type { AgentState, ListAgentsQuery } from '../../src/wire/agent.ts'
import { captureLogs } from '../support/logs.ts'
import { emptyStore } from '../db/build.ts'
import { caller } from './caller.ts'

const AND_WAIT = 'send_message_to_agent_and_wait_for_reply'
const TAGGED = 'send_message_to_agents_matching_tags'
const ASYNC = 'send_message_to_agent_async'

const agent = (id: string) => ({ id, name: id.toUpperCase() }) as AgentState

/** A store whose runs are held by the agents named in their ids: `run-a,b` by a and b. */
const held = {
  findRun: async (_tenant: string, id: string) => {
    const ids = id.replace('run-', '').split(',')
    return { agentId: ids[0], admission: { members: ids.map((member) => ({ id: member, name: member })) } } as RunRow
  },
} as Store

/** The tools over a `send`, as an agent calls them. */
function house(send: SendToAgent, store = held) {
  const tools = new Map(agentTools(send, { retryMs: 0 }).map((tool) => [tool.name, tool]))
  return async (from: string, tool: string, args: Record<string, unknown>, signal = new AbortController().signal) =>
    JSON.parse(await tools.get(tool)!.run(args, caller({ store, agent: agent(from), signal })))
}

const to = (other_agent_id: string, message = 'hi') => ({ other_agent_id, message })
const says = (...said: string[]) => vi.fn<SendToAgent>(async () => ({ runId: 'run-1', said }))

test('one waits for the reply; it is JSON', async () => {
  const send = says('Oui', 'It’s "done"')
  expect(await house(send)('a', AND_WAIT, to('b', 'Hello Bee'))).toEqual({ agent_id: 'b', response: ['Oui', 'It’s "done"'] })
  expect(await house(says())('a', AND_WAIT, to('b'))).toEqual({ agent_id: 'b', response: ['<no response>'] })
})

test('a message is sent once, as it is, after who asks and what becomes of the reply', async () => {
  const send = says('ok')
  await house(send)('a', AND_WAIT, to('b', 'Hello Bee'))
  await house(send)('a', ASYNC, to('b', 'Hello Bee'))
  expect(send).toHaveBeenCalledTimes(2)
  const [reply, oneWay] = send.mock.calls.map(([tenant, from, target, text, { wait, key }]) => {
    expect([tenant, from.id, target, key]).toEqual(['org', 'a', 'b', 'step/call'])
    expect(text).toMatch(/^\[[^\n]*"A" \(a\)[^\n]*\]\n\nHello Bee$/)
    return { wait, text }
  })
  expect(reply).toMatchObject({ wait: true, text: expect.stringContaining('is delivered back to it') })
  expect(oneWay).toMatchObject({ wait: false, text: expect.stringContaining('is not delivered to it') })
})

test('the one-way tool gives the run’s id without waiting for its end', async () => {
  expect(await house(says())('a', ASYNC, to('b'))).toEqual({ agent_id: 'b', run_id: 'run-1' })
})

test('an agent does not send to itself, nor to one that is not there', async () => {
  const send = vi.fn<SendToAgent>(async (_tenant, _from, id) => {
    throw new NotFound('agent', id)
  })
  for (const tool of [AND_WAIT, ASYNC]) {
    await expect(house(send)('a', tool, to('a'))).rejects.toThrow(ToolError)
    expect(send).not.toHaveBeenCalled()
  }
  await expect(house(send)('a', AND_WAIT, to('z'))).rejects.toThrow(new ToolError('Agent not found: z'))
})

test('a busy agent is waited for, by both tools', async () => {
  for (const tool of [AND_WAIT, ASYNC]) {
    let tries = 0
    const send: SendToAgent = async (_tenant, _from, id) => {
      if (++tries < 5) throw new RunBusy(id, `run-${id}`)
      return { runId: 'run-9', said: ['free now'] }
    }
    expect(await house(send)('a', tool, to('b'))).toMatchObject({ agent_id: 'b' })
    expect(tries).toBe(5)
  }
})

test('the wait for a busy agent ends with the call', async () => {
  const abort = new AbortController()
  const send = vi.fn<SendToAgent>(async (_tenant, _from, id) => {
    if (send.mock.calls.length === 3) abort.abort()
    throw new RunBusy(id, `run-${id}`)
  })
  await expect(house(send)('a', AND_WAIT, to('b'), abort.signal)).rejects.toThrow(/abort/)
  expect(send).toHaveBeenCalledTimes(3)
})

test('F46 a asks b, which asks a: refused at once; over others, too', async () => {
  const ring = ['a', 'b', 'c', 'd']
  const call: ReturnType<typeof house> = house(async (_tenant, _from, id) => {
    const next = ring[(ring.indexOf(id) + 1) % ring.length]!
    return { runId: '', said: [await call(id, AND_WAIT, to(next)).catch((error: unknown) => String(error))] }
  })
  const answer = await call('a', AND_WAIT, to('b'))
  expect(JSON.stringify(answer)).toMatch(/a cannot answer, because it is in a conversation that goes on only after your turn/)
  // Nothing is left of it: the same may be asked again.
  expect(await call('a', AND_WAIT, to('b'))).toEqual(answer)
})

test('one that sits in the same conversation cannot be waited for', async () => {
  const call = house(async (_tenant, _from, id) => {
    throw new RunBusy(id, 'run-chief,a,b')
  })
  for (const tool of [AND_WAIT, ASYNC]) await expect(call('a', tool, to('b'))).rejects.toThrow(/cannot answer/)
})

test('F46 two that begin to wait for each other at once: one is refused, the other gets its reply', async () => {
  const busy = new Set(['a', 'b'])
  const call = house(async (_tenant, _from, id) => {
    if (busy.has(id)) throw new RunBusy(id, `run-${id}`)
    return { runId: '', said: ['ok'] }
  })
  const turn = async (id: string, other: string) => {
    try {
      return await call(id, AND_WAIT, to(other))
    } catch (error) {
      return error
    } finally {
      busy.delete(id)
    }
  }
  const ends = await Promise.all([turn('a', 'b'), turn('b', 'a')])
  expect(ends.filter((end) => end instanceof ToolError).length).toBe(1)
  expect(ends).toContainEqual(expect.objectContaining({ response: ['ok'] }))
})

test('F46 a circle over a group is seen: one waits for a member of it, another member for the one', async () => {
  const abort = new AbortController()
  const call = house(async (_tenant, _from, id) => {
    throw new RunBusy(id, id === 'w' ? 'run-w' : 'run-x,f')
  })
  const waits = [call('w', AND_WAIT, to('x'), abort.signal), call('f', AND_WAIT, to('w'), abort.signal)]
  await expect(Promise.race(waits)).rejects.toThrow(/cannot answer/)
  abort.abort()
  const ends = await Promise.allSettled(waits)
  expect(ends.filter((end) => end.status === 'rejected' && end.reason instanceof ToolError).length).toBe(1)
})

test('who waits for a free agent no more waits for those that kept it busy before', async () => {
  const answers = Promise.withResolvers<void>()
  let tries = 0
  const call = house(async (_tenant, from, id) => {
    if (from.id === 'x') return { runId: '', said: ['for x'] }
    if (++tries === 1) throw new RunBusy(id, 'run-b,x')
    accepted.resolve()
    await answers.promise
    return { runId: '', said: ['for a'] }
  })
  const accepted = Promise.withResolvers<void>()
  const first = call('a', AND_WAIT, to('b'))
  await accepted.promise
  expect(await call('x', AND_WAIT, to('a'))).toMatchObject({ response: ['for x'] })
  answers.resolve()
  expect(await first).toMatchObject({ response: ['for a'] })
})

test.each([AND_WAIT, ASYNC])('F46 a chain of messages comes to an end: %s', async (tool) => {
  const ended = Promise.withResolvers<string>()
  const asked: string[] = []
  const call: ReturnType<typeof house> = house(async (_tenant, _from, id) => {
    asked.push(id)
    // As a run does: it goes on by itself, in the context of the call that began it.
    const turn = call(id, tool, to(`${id}*`)).catch((error: unknown) => ended.resolve(String(error)))
    if (tool === AND_WAIT) await turn
    return { runId: 'run', said: [] }
  })
  await call('a', tool, to('b'))
  expect(await ended.promise).toMatch(/number 9 in a chain/)
  expect(asked.length).toBe(8)
  // Another chain begins anew.
  await call('q', tool, to('r'))
  expect(asked).toContain('r')
})

test('all with the tags are asked, but for oneself; what goes wrong with one is its own entry', async () => {
  const logs = captureLogs()
  const { store, tenant, agent: create } = await emptyStore()
  const [me, both, ill, broken] = await Promise.all(
    [['x', 'y'], ['x', 'y'], ['x', 'z'], ['x', 'y', 'z'], ['y']].map((tags) => create({ tags })),
  )
  const send: SendToAgent = async (_tenant, _from, id) => {
    if (id === ill!.id) throw new NotFound('agent', id)
    if (id === broken!.id) throw new Error('secret')
    return { runId: '', said: ['here'] }
  }
  const tools = new Map(agentTools(send, { retryMs: 0 }).map((tool) => [tool.name, tool]))
  const ask = async (match_all: string[], match_some: string[]) => {
    const context = caller({ store, tenant, agent: me! })
    const replies: { agent_id: string }[] = JSON.parse(
      await tools.get(TAGGED)!.run({ message: 'hi', match_all, match_some }, context),
    )
    return new Map(replies.map(({ agent_id, ...entry }) => [agent_id, entry]))
  }
  expect(await ask(['x', 'y'], [])).toEqual(
    new Map<string, object>([
      [both!.id, { response: ['here'] }],
      [broken!.id, { error: 'It failed inside the server' }],
    ]),
  )
  expect(logs.lines).toMatchObject([{ level: 'error', agent: broken!.id, err: { message: 'secret' } }])
  expect(await ask(['x'], ['z', 'w'])).toEqual(
    new Map<string, object>([
      [ill!.id, { error: `Agent not found: ${ill!.id}` }],
      [broken!.id, { error: 'It failed inside the server' }],
    ]),
  )
  expect((await ask([], ['y'])).size).toBe(3)
  expect((await ask([], [])).size).toBe(4)
  expect((await ask(['nobody'], [])).size).toBe(0)
})

test('F90 at most a hundred are asked, ten at a time, each by a key of its own', async () => {
  const many = {
    listAgents: async (_tenant: string, { limit }: ListAgentsQuery) => Array.from({ length: limit }, (_, n) => agent(`g${n}`)),
  }
  let now = 0
  let most = 0
  const keys = new Set<string>()
  const send: SendToAgent = async (_tenant, _from, _to, _text, { key }) => {
    keys.add(key)
    most = Math.max(most, ++now)
    await Promise.resolve()
    now--
    return { runId: '', said: ['here'] }
  }
  const replies = await house(send, many as unknown as Store)('a', TAGGED, { message: 'hi', match_all: [], match_some: [] })
  expect([replies.length, most, keys.size]).toEqual([100, 10, 100])
})
