import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readFrame } from '../../src/stream/frame.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { speakerOf } from '../http/cast.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/log.ts'
import type { ServerProcess } from '../support/process.ts'
import { readToEnd } from '../support/reader.ts'
import { tempFolder } from '../support/server.ts'
import { scriptedMcp } from '../tools/mcp-servers.ts'
import { checkTalk, expectOneEnd, storedFrames, talk } from './history.ts'
import { died, type Stage, stages, troupe } from './stage.ts'

/*
 * Processes that die at a point that was chosen: before or after one call of the store.
 */

const stage = stages()
const sides = ['before', 'after'] as const

test.each(sides)('F1 dead %s it admits a run: the same request, sent again with its key, leads to one run', async (side) => {
  const { llm, start, startDying } = await stage()
  const server = await startDying(`admitRun:1:${side}`)
  const groupId = await troupe(server, 'round_robin', ['Ann'])
  const send = (url: string) => {
    const headers = { 'idempotency-key': 'once' }
    return readToEnd(`${url}/v1/groups/${groupId}/messages/stream`, { method: 'POST', body: { input: 'Hi' }, headers })
  }
  await expect(send(server.url)).rejects.toThrow(/ECONNRESET|hang up/)
  await died(server)

  const next = await start()
  const again = await send(next.url)
  const runs = await next.api.get<Run[]>('/v1/runs/')
  expect(runs.map(({ id }) => id)).toEqual([again.headers['x-letta-run-id']])
  await checkTalk(next.url, { runId: runs[0]!.id, groupId, input: 'Hi', tokens: false, readers: [again] })
  expect(llm.requests).toHaveLength(1)
})

test.each([
  ['F2 made and not stored', 'before', 0],
  ['F3 stored and not shown', 'after', 1],
])('%s dead %s it stores frames: no reader has seen them, and one that comes back sees each once', async (_, side, stored) => {
  const { llm, start, startDying } = await stage()
  const server = await startDying(`appendFrames:2:${side}`)
  const groupId = await troupe(server, 'round_robin', ['Ann', 'Bob'])
  const held = llm.hold()
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  held.push('One ')
  for (const { until } of one.readers) await until((seen) => seen.some(({ text }) => text.includes('One ')))
  held.push('Two ')
  await died(server)
  for (const { seen, ended } of one.readers) {
    expect(await ended).toBe('cut')
    expect(seen.filter(({ text }) => text.includes('Two '))).toEqual([])
  }

  const { url } = await start()
  const { frames, fate } = await checkTalk(url, one)
  expect(fate).toBe('went on')
  expect(frames.filter((frame) => frame.includes('Two '))).toHaveLength(stored)
})

test.each([
  ['before it stores the step', 'commitStep:1:before', 2, 1, false],
  ['before it runs the tool', 'commitStep:1:after', 1, 1, true],
  ['before it stores what the tool gave', 'commitStep:2:before', 1, 2, true],
  ['when it has stored what the tool gave', 'commitStep:2:after', 1, 1, false],
])('F5 dead %s: the tool is run again with its key only, and its call has one return', async (_, crashAt, asked, ran, told) => {
  const { llm, start, startDying, keys, book } = await booking()
  const server = await startDying(crashAt)
  const groupId = await troupe(server, 'round_robin', ['Ann'], { create: { tool_ids: [await book(server)] } })
  const one = await talk(server.url, { groupId, input: 'Book!', tokens: true, readers: 1 })
  await died(server)

  const next = await start()
  const { frames } = await checkTalk(next.url, one)
  expect(llm.requests).toHaveLength(asked + 1)
  expect(keys()).toHaveLength(ran)
  expect(new Set(keys()).size).toBe(1)
  const listed = await next.api.get<LettaMessage[]>(`/v1/runs/${one.runId}/messages`)
  expect(typesOf(listed)).toEqual(['user_message', 'tool_call_message', 'tool_return_message', 'assistant_message'])
  expect(keys()[0]).toBe(`${listed[1]!.step_id}/call_1`)
  // Nobody can know whether the tool was run, unless its return is there.
  expect(frames.some((frame) => frame.includes('"event_type":"tool_retry"'))).toBe(told)
})

test.each(sides)('F6 dead %s it stores the end: the run ends once, and nobody is asked again', async (side) => {
  const { start, startDying, asked } = await stage()
  const server = await startDying(`endRun:1:${side}`)
  const groupId = await troupe(server, 'round_robin', ['Ann', 'Bob'])
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  await died(server)
  for (const { seen } of one.readers) expect(seen.filter(({ text }) => /stop_reason|\[DONE\]/.test(text))).toEqual([])

  const { url } = await start()
  expect((await checkTalk(url, one)).fate).toBe('undisturbed')
  expect(asked()).toEqual(['Ann', 'Bob'])
})

test.each([
  ['before it stores the choice', 'commitStep:1:before', ['Max', 'Max', 'Ann']],
  ['when it has stored the choice', 'commitStep:1:after', ['Max', 'Bob']],
  ['before it stores the answer to the choice', 'commitStep:2:before', ['Max', 'Bob']],
  ['when it has stored the answer to the choice', 'commitStep:2:after', ['Max', 'Bob']],
])('F8 dead %s: a turn has one speaker, though the manager would choose another the next time', async (_, crashAt, spoke) => {
  const { llm, start, startDying, asked } = await stage()
  const choices = ['Bob', 'Ann']
  llm.script((body) => {
    const name = speakerOf(body) === 'Max' && choices.shift()
    return name
      ? { toolCalls: [{ name: 'choose_next_participant', arguments: JSON.stringify({ name }) }] }
      : { text: `${speakerOf(body)} speaks.` }
  })
  const server = await startDying(crashAt)
  const groupId = await troupe(server, 'dynamic', ['Ann', 'Bob'], { manager: 'Max', max_turns: 1 })
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  await died(server)

  const next = await start()
  await checkTalk(next.url, one)
  expect(asked()).toEqual(spoke)
  const listed = await next.api.get<LettaMessage[]>(`/v1/groups/${groupId}/messages`)
  expect(listed.flatMap((message) => (message.message_type === 'assistant_message' ? [message.name] : []))).toEqual([
    spoke.at(-1),
  ])
})

test.each([
  ['before it stores a request for leave', 'commitStep:1:before', 2],
  ['when it has stored a request for leave', 'commitStep:1:after', 1],
  ['before it stores that the run waits', 'endRun:1:before', 1],
])('F9 dead %s: the call waits once, and is run once when it is allowed', async (_, crashAt, asked) => {
  const { llm, start, startDying, keys, book } = await booking()
  const server = await startDying(crashAt)
  const agent = await carefulAgent(server, await book(server))
  const sent = await readToEnd(`${server.url}/v1/agents/${agent}/messages/stream`, { method: 'POST', body: { input: 'Book!' } })
  await died(server)

  const next = await start()
  const runId = String(sent.headers['x-letta-run-id'])
  await storedFrames(next.url, runId)
  expect(await next.api.get<Run>(`/v1/runs/${runId}`)).toMatchObject({ stop_reason: 'requires_approval' })
  expect(llm.requests).toHaveLength(asked)
  expect(await next.api.call('POST', `/v1/agents/${agent}/messages`, { input: 'Well?' })).toMatchObject({ status: 409 })
  expect(keys()).toEqual([])
  await next.api.post(`/v1/agents/${agent}/messages`, leave)
  expect(keys()).toHaveLength(1)
  expect(llm.requests).toHaveLength(asked + 1)
})

test.each([
  ['before it stores an answer', 'admitRun:2:before', 1],
  ['when it has stored an answer', 'admitRun:2:after', 1],
  ['before it stores what an allowed call gave', 'commitStep:2:before', 2],
  ['when it has stored what an allowed call gave', 'commitStep:2:after', 1],
])('F9 dead %s: given again it counts once, and the call has one return', async (_, crashAt, ran) => {
  const { llm, start, startDying, keys, book } = await booking()
  const server = await startDying(crashAt)
  const agent = await carefulAgent(server, await book(server))
  const path = `/v1/agents/${agent}/messages`
  await server.api.post(path, { input: 'Book!' })
  await expect(server.api.post(path, leave)).rejects.toThrow('fetch failed')
  await died(server)

  const next = await start()
  const again = await next.api.call('POST', path, leave)
  expect(again.status).toBe(200)
  const runs = await next.api.get<Run[]>('/v1/runs/?order=asc')
  expect(runs.map(({ stop_reason }) => stop_reason)).toEqual(['requires_approval', 'end_turn'])
  expect(again.headers.get('x-letta-run-id')).toBe(runs[1]!.id)
  expectOneEnd(await storedFrames(next.url, runs[1]!.id), runs[1]!)
  expect(keys()).toHaveLength(ran)
  expect(new Set(keys()).size).toBe(1)
  expect(llm.requests).toHaveLength(2)
  const listed = await next.api.get<LettaMessage[]>(`${path}?order=asc`)
  expect(typesOf(listed).filter((type) => type === 'tool_return_message')).toHaveLength(1)
  // A client that has not heard of all this may give it once more.
  expect((await next.api.call('POST', path, leave)).headers.get('x-letta-run-id')).toBe(runs[1]!.id)
})

test.each([
  ['before it stores background work', 'endRun:1:before'],
  ['when it has stored background work', 'endRun:1:after'],
  ['before it begins background work', 'startRun:1:before'],
  ['when it has begun background work', 'startRun:1:after'],
])('F10 dead %s: it is done once, and who asked does not notice', async (_, crashAt) => {
  const { start, startDying, asked } = await stage()
  const server = await startDying(crashAt)
  const groupId = await troupe(server, 'sleeptime', ['Sue'], { manager: 'Max' })
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  await died(server)

  const next = await start()
  expect((await checkTalk(next.url, one)).fate).toBe('undisturbed')
  const background = await next.api.get<Run[]>('/v1/runs/?background=true')
  expect(background).toHaveLength(1)
  const frames = await storedFrames(next.url, background[0]!.id)
  expect(expectOneEnd(frames, await next.api.get<Run>(`/v1/runs/${background[0]!.id}`))).toBe('undisturbed')
  expect(asked()).toEqual(['Max', 'Sue'])
})

test.each(sides)('F11 dead %s it makes room in a context: it is the old or the new one, whole', async (side) => {
  const { llm, start, startDying } = await stage()
  const tooLong = { status: 400, body: { error: { message: 'Too long', code: 'context_length_exceeded' } } }
  llm.script((body) => {
    if (JSON.stringify(body.messages).length > 16_000) return tooLong
    return { text: body.tools ? 'Here I am.' : 'They spoke of numbers.' }
  })
  const server = await startDying(`compactContext:1:${side}`)
  const groupId = await troupe(server, 'round_robin', ['Ann'], {
    create: { context_window_limit: 4000, include_base_tools: true },
  })
  const { agent_ids } = await server.api.get<{ agent_ids: string[] }>(`/v1/groups/${groupId}`)
  const sizeOf = async ({ api }: ServerProcess) => (await api.get<AgentState>(`/v1/agents/${agent_ids[0]}`)).message_ids!.length
  const messages = [...history, { role: 'user', content: 'Hi' }]
  const body = { messages, include_compaction_messages: true }
  const url = `${server.url}/v1/groups/${groupId}/messages/stream`
  const sent = await readToEnd(url, { method: 'POST', body })
  await died(server)

  const next = await start()
  const runId = String(sent.headers['x-letta-run-id'])
  const frames = await storedFrames(next.url, runId)
  expectOneEnd(frames, await next.api.get<Run>(`/v1/runs/${runId}`))
  const shown = frames.flatMap((frame) => readFrame(frame)?.message_type ?? [])
  const listed = await next.api.get<LettaMessage[]>(`/v1/runs/${runId}/messages?limit=1000`)
  expect(typesOf(listed).filter((type) => type === 'summary_message')).toHaveLength(1)
  expect(shown.filter((type) => type === 'summary_message')).toHaveLength(1)
  expect(await sizeOf(next)).toBeLessThan(history.length)
})

test('F11 dead when it has deleted the frames of an old run: its stream is gone, its messages are there', async () => {
  const { start, startDying } = await stage()
  const first = await start()
  const groupId = await troupe(first, 'round_robin', ['Ann'])
  const one = await talk(first.url, { groupId, input: 'Hi', tokens: true, readers: 1 })
  await one.readers[0]!.ended
  await first.kill('SIGTERM')
  // A hundredth of a second.
  const aged = { ROUNDTABLE_FRAMES_RETENTION_DAYS: String(0.01 / 86_400) }
  await died(await startDying('pruneFrames:1:after', aged))

  const next = await start()
  expect(await next.api.call('POST', `/v1/runs/${one.runId}/stream`, {})).toMatchObject({ status: 410 })
  expect(await next.api.get(`/v1/runs/${one.runId}/messages`)).toHaveLength(2)
})

/** Far more than 4000 tokens; the model refuses what has a call without its result, or a result without its call. */
const history = range(1, 400).map((n) => {
  const content = `Message ${n} of a long conversation about this and that, and of a good deal more besides.`
  if (n % 4 !== 0) return { role: n % 4 === 2 ? 'assistant' : 'user', content }
  const call = { type: 'tool_call', id: `call_${n}`, name: 'look_up', input: { number: n } }
  return { role: 'assistant', content: [{ type: 'text', text: content }, call] }
})

const leave = { messages: [{ type: 'approval', approvals: [{ type: 'approval', tool_call_id: 'call_1', approve: true }] }] }

const typesOf = (messages: LettaMessage[]) => messages.map(({ message_type: type }) => type)

interface Booking extends Stage {
  /** The keys of the calls that the tool has seen, in order. */
  keys(): string[]
  /** The tool's id. */
  book(server: ServerProcess): Promise<string>
}

/** A model that books once in each run, by a tool of an MCP server that writes down with which keys it is called. */
async function booking(): Promise<Booking> {
  const file = join(tempFolder(), 'keys')
  const script = `const tools = [tool('book')]
    const call = (id, name, args, meta) => {
      require('node:fs').appendFileSync(${JSON.stringify(file)}, meta['roundtable/call-key'] + '\\n')
      text(id, 'It is booked.')
    }`
  const servers = { counts: { command: process.execPath, args: scriptedMcp(script) } }
  const set = await stage({ ROUNDTABLE_MCP_SERVERS: JSON.stringify(servers) })
  set.llm.script((body) =>
    body.messages.at(-1).role === 'tool' ? { text: 'Done.' } : { toolCalls: [{ name: 'book', arguments: '{}' }] },
  )
  return {
    ...set,
    keys: () => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []),
    async book({ api }) {
      const find = async () => await api.get<{ id: string }[]>('/v1/tools/?name=book')
      await eventually(async () => (await find()).length === 1)
      return (await find())[0]!.id
    },
  }
}

async function carefulAgent({ api }: ServerProcess, tool: string): Promise<string> {
  const tool_rules = [{ type: 'requires_approval', tool_name: 'book' }]
  return (await api.agent({ name: 'Ann', tool_ids: [tool], tool_rules })).id
}
