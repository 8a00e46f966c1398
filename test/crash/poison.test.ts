import { expect, test } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { checkTalk, expectListed, storedFrames, talk } from './history.ts'
import { died, stages, troupe } from './stage.ts'

/*
 * Runs that would do harm to all others, were they let: by an error that nobody has thought of, or by what kills the process.
 */

const stage = stages()

test.each([
  ['when it begins', 'journalOf:2:throws', true],
  ['before the model is asked', 'contextOf:2:throws', true],
  ['when a step is stored', 'commitStep:1:throws', false],
  ['when a step is stored that was shown', 'commitStep:1:throws', true],
])('F14 an unforeseen error %s ends that run with an error, and the others go on', async (_, crashAt, tokens) => {
  const { llm, start, startDying } = await stage()
  const server = await startDying(crashAt)
  const [good, bad] = await Promise.all(['Ann', 'Bob'].map((name) => troupe(server, 'round_robin', [name])))
  const held = llm.hold()
  const one = await talk(server.url, { groupId: good!, input: 'Hi', tokens: true, readers: 2 })
  await llm.received(1)
  const poisoned = await talk(server.url, { groupId: bad!, input: 'Hi', tokens, readers: 2 })
  for (const { ended } of poisoned.readers) expect(await ended).toBe('end')
  const failed = { status: 'failed', stop_reason: 'error' }
  expect(await server.api.get<Run>(`/v1/runs/${poisoned.runId}`)).toMatchObject(failed)
  for (const { seen } of poisoned.readers) {
    expect(seen.at(-2)?.text).toContain('"message_type":"error_message"')
    expect(seen.at(-1)?.text).toContain('[DONE]')
    expect(JSON.stringify(seen)).not.toContain('poison')
  }
  const frames = await storedFrames(server.url, poisoned.runId)
  const listed = await server.api.get<LettaMessage[]>(`/v1/runs/${poisoned.runId}/messages`)
  expectListed(frames, listed.slice(1))
  held.push('Well.')
  held.finish()
  expect((await checkTalk(server.url, one)).fate).toBe('undisturbed')
  // Nobody is kept busy by it.
  expect(await server.api.post(`/v1/groups/${bad!}/messages`, { input: 'And now?' })).toMatchObject({
    stop_reason: { stop_reason: 'end_turn' },
  })
  await server.kill('SIGKILL')
  expect(await (await start()).api.get<Run>(`/v1/runs/${poisoned.runId}`)).toMatchObject(failed)
})

test.each([
  ['asks the model', 'contextOf:1:before', 0],
  ['runs a tool', 'editBlock:1:before', 1],
])('F16 a run that kills the process whenever it %s is given up after three times', async (_, crashAt, asked) => {
  const { llm, start, startDying, launchDying } = await stage()
  llm.script((body) => {
    const insert = { name: 'memory_insert', arguments: '{"label": "human", "new_string": "poison"}' }
    return llm.requests.length > 1 || body.messages.at(-1).role === 'tool' ? { text: 'Well.' } : { toolCalls: [insert] }
  })
  const server = await startDying(crashAt)
  const create = { include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] }
  const groupId = await troupe(server, 'round_robin', ['Ann'], { create })
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  await died(server)
  await died(launchDying(crashAt))
  await died(launchDying(crashAt))

  const fourth = await startDying(crashAt)
  expect((await checkTalk(fourth.url, one)).fate).toBe('given up')
  expect(llm.requests).toHaveLength(asked)
  const listed = await fourth.api.get<LettaMessage[]>(`/v1/runs/${one.runId}/messages`)
  const returned = listed.flatMap((message) => (message.message_type === 'tool_return_message' ? [message.status] : []))
  expect(returned).toEqual(Array.from({ length: asked }, () => 'error'))
  await fourth.api.get('/v1/health')
  await fourth.kill('SIGKILL')

  const next = await start()
  const { stop_reason } = await next.api.post<LettaResponse>(`/v1/groups/${groupId}/messages`, { input: 'And now?' })
  expect(stop_reason).toMatchObject({ stop_reason: 'end_turn' })
})

test('F15 a process that runs out of memory is as one that was killed', async () => {
  const { llm, start } = await stage({ ROUNDTABLE_LLM_LIMIT_BYTES: String(1000 * MB) })
  const server = await start({ NODE_OPTIONS: '--max-old-space-size=64' })
  const groupId = await troupe(server, 'round_robin', ['Ann', 'Bob'])
  llm.script([
    { text: 'I am first.' },
    { toolCalls: [{ id: 'call_1', name: 'think', arguments: 'x'.repeat(200 * MB) }], chunk: MB },
  ])
  const one = await talk(server.url, { groupId, input: 'Hi', tokens: true, readers: 2 })
  expect(await server.exited).toMatchObject({ code: null, stderr: expect.stringContaining('heap out of memory') })

  expect((await checkTalk((await start()).url, one)).fate).toBe('went on')
})

const MB = 1024 * 1024
