import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { readFrame } from '../../src/stream/frame.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { expectListed } from '../crash/history.ts'
import { openReader, type Reader } from '../support/reader.ts'
import type { Piece } from '../support/scripted-dialects.ts'
import { Held, type ScriptedRequest } from '../support/scripted-provider.ts'
import { startServer, tempFolder, type TestServer } from '../support/server.ts'
import { scriptedMcp } from '../tools/mcp-servers.ts'

const said = (kind: 'text' | 'reasoning', count: number): Piece[] =>
  Array.from({ length: count }, (_, index) => ({ [kind]: `${kind}${index} ` }) as Piece)

/** A call of a tool, its arguments in pieces of three characters. */
const noted = (index: number, what: string): Piece[] => {
  const args = JSON.stringify({ label: 'notes', new_string: what })
  const pieces = args.match(/.{1,3}/g)!.map((part) => ({ index, arguments: part }))
  return [{ call: { index, id: `call_${what}`, name: 'memory_insert' } }, ...pieces]
}

/** What the model answers in a run: Ann thinks, speaks and calls twice, then speaks; Bob does so with one call. */
const answers: Piece[][] = [
  [...said('reasoning', 20), ...said('text', 10), ...noted(0, 'one'), ...noted(1, 'two')],
  [...said('reasoning', 20), ...said('text', 40)],
  [...said('reasoning', 10), ...noted(0, 'three')],
  [...said('text', 60)],
]

type Step = Piece | 'finish'

/** For each frame of the run, in order: how far each answer has come when it is there, and nothing behind it is. */
function framesOf(): Step[][][] {
  const whole: Step[][] = answers.map((pieces) => [...pieces, 'finish'])
  const frames: Step[][][] = [[]] // the ping
  for (const [index, pieces] of answers.entries()) {
    for (const at of pieces.keys()) frames.push([...whole.slice(0, index), pieces.slice(0, at + 1)])
    if (pieces.some((piece) => 'call' in piece)) frames.push(whole.slice(0, index + 1)) // the return
  }
  // `stop_reason`, `usage_statistics` and `[DONE]`
  return [...frames, whole, whole, whole]
}

/** The model comes as far as it is told in each run, and is silent then; which run it is, the last line of its input says. */
function holdAt(frames: Step[][][]) {
  const asked = new Map<number, number>()
  return (body: ScriptedRequest['body']) => {
    const last = JSON.stringify(body.messages)
      .match(/Cancel at \d+|Go on/g)!
      .at(-1)!
    if (last === 'Go on') return { text: 'I go on.' }
    const at = Number(last.slice('Cancel at '.length))
    const nth = asked.get(at) ?? 0
    asked.set(at, nth + 1)
    const held = new Held()
    for (const step of frames[at - 1]![nth] ?? []) held.step(step)
    return held
  }
}

const typeOf = ({ text }: { text: string }) => readFrame(text)?.message_type ?? '[DONE]'
const ending = ['stop_reason', 'usage_statistics', '[DONE]']

/** One terminal sequence, and no word of one before it. @returns why it ended */
async function oneEnd({ seen, ended }: Reader): Promise<unknown> {
  expect(await ended).toBe('end')
  const types = seen.map(typeOf)
  expect(types.slice(-3)).toEqual(ending)
  expect(types.filter((type) => ending.includes(type) || type === 'error_message')).toHaveLength(3)
  expect(seen.map(({ id }) => id)).toEqual(seen.map((_, index) => index + 1))
  const stop = readFrame(seen.at(-3)!.text)!
  return 'stop_reason' in stop && stop.stop_reason
}

/** Rows and frames say the same, and both members can be asked for more. */
async function expectWhole({ api }: TestServer, path: string, run: string, { seen }: Reader) {
  const listed = await api.get<LettaMessage[]>(`/v1/runs/${run}/messages?limit=1000`)
  expect(listed[0]).toMatchObject({ message_type: 'user_message' })
  expectListed(
    seen.map(({ text }) => text),
    listed.slice(1),
  )
  // A model that is shown a call without its return answers 400.
  expect(await api.post(path, { input: 'Go on' })).toMatchObject({ stop_reason: { stop_reason: 'end_turn' } })
}

async function cancelTwice({ api }: TestServer, run: string): Promise<Run> {
  const ended = await api.post<Run>(`/v1/runs/${run}/cancel`)
  expect(await api.post(`/v1/runs/${run}/cancel`)).toEqual(ended)
  return ended
}

test('F65 a run that is cancelled at any of its frames ends there, once, and its group goes on', async () => {
  const server = await startServer()
  const { api, url, llm } = server
  const frames = framesOf()
  expect(frames.length).toBeGreaterThan(200)
  llm.script(holdAt(frames))

  const cancelAt = async (id: string, at: number) => {
    const body = { input: `Cancel at ${at}`, stream_tokens: true }
    const reader = await openReader(`${url}/v1/groups/${id}/messages/stream`, { method: 'POST', body })
    const run = String(reader.headers['x-letta-run-id'])
    await reader.until((seen) => seen.some(({ id: number }) => number === at))
    const natural = at > frames.length - 3
    const stop = natural ? 'end_turn' : 'cancelled'
    if (natural) await reader.ended
    expect(await cancelTwice(server, run)).toMatchObject({ status: natural ? 'completed' : 'cancelled', stop_reason: stop })
    expect(await oneEnd(reader)).toBe(stop)
    expect(reader.seen.length).toBeLessThanOrEqual(natural ? frames.length : at + 1 + 3)
    await expectWhole(server, `/v1/groups/${id}/messages`, run, reader)
    // Before the end nothing came behind it but the returns of calls that were not run, and those were asked for.
    const between = reader.seen.slice(at, -3).map(typeOf)
    const calling = typeOf(reader.seen[at - 1]!) === 'tool_call_message'
    expect({ at, between }).toEqual({ at, between: calling ? ['tool_return_message'] : [] })
  }
  // Each group is cancelled many times, and remembers it all.
  const left = [...frames.keys()]
  const group = async () => {
    const { id: block } = await api.post<{ id: string }>('/v1/blocks/', { label: 'notes', value: '' })
    const create = { include_base_tools: true, block_ids: [block] }
    const members = await Promise.all(['Ann', 'Bob'].map((name) => api.agent({ name, ...create })))
    const agent_ids = members.map(({ id }) => id)
    const { id } = await api.post<{ id: string }>('/v1/groups/', { agent_ids, description: 'notes' })
    for (let at = left.pop(); at !== undefined; at = left.pop()) await cancelAt(id, at + 1)
  }
  await Promise.all(Array.from({ length: 20 }, group))
}, 180_000)

test('F65 a run that is cancelled while a tool never returns says which calls ran, and its history stays paired', async () => {
  const began = join(tempFolder(), 'began')
  const script = `const tools = [tool('go')]; const call = () => require('node:fs').writeFileSync(${JSON.stringify(began)}, '')`
  const servers = { odd: { command: process.execPath, args: scriptedMcp(script) } }
  const server = await startServer({ ROUNDTABLE_MCP_SERVERS: JSON.stringify(servers) })
  const { api, url, llm } = server
  const listed = async () => (await api.get<{ id: string }[]>('/v1/tools/?name=go'))[0]!
  const tool = await vi.waitUntil(listed, { timeout: 30_000 })
  const agent = await api.agent({
    include_base_tools: true,
    tool_ids: [tool.id],
    memory_blocks: [{ label: 'notes', value: '' }],
  })
  const note = (what: string) => ({
    id: what,
    name: 'memory_insert',
    arguments: JSON.stringify({ label: 'notes', new_string: what }),
  })
  llm.script([{ toolCalls: [note('before'), { id: 'endless', name: 'go', arguments: '{}' }, note('after')] }])
  const path = `/v1/agents/${agent.id}/messages`
  const reader = await openReader(`${url}${path}`, {
    method: 'POST',
    body: { input: 'Go', streaming: true, stream_tokens: true },
  })
  const run = String(reader.headers['x-letta-run-id'])
  await vi.waitUntil(() => existsSync(began), { timeout: 30_000 })
  expect(await cancelTwice(server, run)).toMatchObject({ status: 'cancelled' })
  expect(await oneEnd(reader)).toBe('cancelled')
  const returned = readFrame(reader.seen.at(-4)!.text)
  expect(returned).toMatchObject({
    message_type: 'tool_return_message',
    tool_returns: [
      { tool_call_id: 'before', status: 'success' },
      { tool_call_id: 'endless', status: 'error', tool_return: expect.stringContaining('was cancelled') },
      { tool_call_id: 'after', status: 'error', tool_return: expect.stringContaining('was cancelled') },
    ],
  })
  await expectWhole(server, path, run, reader)
  expect(llm.requests).toHaveLength(2)
  const block = await api.get<{ value: string }>(`/v1/agents/${agent.id}/core-memory/blocks/notes`)
  expect(block.value).toContain('before')
  expect(block.value).not.toContain('after')
})

test.each([1, 2, 3])('F65 a run that is cancelled while the model of its turn %i is silent ends there', async (turn) => {
  const server = await startServer()
  const { api, url, llm } = server
  const { id } = await api.group(['Ann', 'Bob', 'Cyd'])
  llm.script([...Array.from({ length: turn - 1 }, (_, index) => ({ text: `Line ${index + 1}.` })), { silent: true }])
  const body = { input: 'Hi', stream_tokens: true }
  const reader = await openReader(`${url}/v1/groups/${id}/messages/stream`, { method: 'POST', body })
  const run = String(reader.headers['x-letta-run-id'])
  await llm.received(turn)
  expect(await cancelTwice(server, run)).toMatchObject({ status: 'cancelled' })
  expect(await oneEnd(reader)).toBe('cancelled')
  expect(new Set(reader.seen.slice(1, -3).map(typeOf)).size).toBe(turn === 1 ? 0 : 1)
  await expectWhole(server, `/v1/groups/${id}/messages`, run, reader)
})
