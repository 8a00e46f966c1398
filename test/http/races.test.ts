import Database from 'better-sqlite3'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Reply } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { speakerOf, startCast } from './cast.ts'
import { allEvents, spoken, words } from './events.ts'

/*
 * What others do while a run works (faults.md F67, F69, F71).
 */

const insert = (text: string): Reply => ({
  toolCalls: [{ name: 'memory_insert', arguments: JSON.stringify({ label: 'shared', new_string: text }) }],
})
const tokens = { input: 'Hi', stream_tokens: true }

/** After the test the file is sound: no row points at what is gone. */
function soundFile() {
  const file = join(tempFolder(), 'test.db')
  onTestFinished(() => {
    const db = new Database(file, { readonly: true })
    expect(db.pragma('foreign_key_check')).toEqual([])
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
  })
  return { DATABASE_URL: `file:${file}` }
}

test('F67 what a run needs cannot be deleted under it; what is changed meanwhile counts from the next run on', async () => {
  const cast = await startCast(soundFile())
  const { api, llm, url } = cast
  const group = await cast.troupe('round_robin', ['Ann', 'Bob'])
  const [ann, bob] = group.agent_ids
  const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'shared', value: 'A note.' })
  await api.patch(`/v1/groups/${group.id}/blocks/attach/${block.id}`)
  const held = llm.hold()
  const response = await api.stream(`/v1/groups/${group.id}/messages/stream`, tokens)
  const run = response.headers.get('x-letta-run-id')
  await llm.received(1)

  for (const path of [`/v1/groups/${group.id}`, `/v1/agents/${ann}`, `/v1/agents/${bob}`]) {
    expect(await api.call('DELETE', path)).toMatchObject({ status: 409, body: { run_id: run } })
  }
  for (const path of [`/v1/groups/${group.id}/reset-messages`, `/v1/agents/${bob}/reset-messages`]) {
    expect(await api.call('PATCH', path, {})).toMatchObject({ status: 409 })
  }
  const cyd = await cast.actor('Cyd')
  await api.patch(`/v1/groups/${group.id}`, { agent_ids: [cyd.id] })
  await api.patch(`/v1/agents/${bob}`, { name: 'Bobby' })
  expect(await api.call('DELETE', `/v1/blocks/${block.id}`)).toMatchObject({ status: 200 })
  held.push('Hello.')
  held.finish()
  expect(words(await allEvents(response)).slice(-3)).toEqual(['stop_reason end_turn', 'usage_statistics', '[DONE]'])
  // Those who were in the group when it was asked have spoken, and nobody else.
  expect(cast.asked()).toBe('Ann Bob')
  expect(spoken(await allEvents(await fetch(`${url}/v1/runs/${run}/stream?starting_after=0`)))).toHaveLength(2)
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'Again' })
  expect(cast.asked()).toBe('Ann Bob Cyd')
})

test('F69 of many members that write into one block at the same time each has its line in it', async () => {
  const cast = await startCast(soundFile())
  const { api } = cast
  const names = ['Ann', 'Bob', 'Cyd', 'Dan', 'Eve']
  const writer = { include_base_tools: true }
  const actors = Object.fromEntries(names.map((name) => [name, writer]))
  const group = await cast.troupe('supervisor', names, { manager: 'Max', actors })
  const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'shared', value: 'Start' })
  await api.patch(`/v1/groups/${group.id}/blocks/attach/${block.id}`)
  const broadcast = { name: 'send_message_to_all_agents_in_group', arguments: '{"message": "Write!"}' }
  // All have been asked before one of them writes.
  const asked = Promise.withResolvers<void>()
  let waiting = names.length
  cast.play({
    Max: [{ toolCalls: [broadcast] }, { text: 'Done.' }],
    ...Object.fromEntries(
      names.map((name) => [
        name,
        async (body: { messages: { role: string }[] }) => {
          if (body.messages.at(-1)!.role === 'tool') return { text: 'Written.' }
          if (--waiting === 0) asked.resolve()
          await asked.promise
          return insert(`${name} was here`)
        },
      ]),
    ),
  })
  await cast.send(`/v1/groups/${group.id}/messages`, { input: 'All write' })
  const { value } = await api.get<{ value: string }>(`/v1/blocks/${block.id}`)
  expect(value.split('\n').toSorted()).toEqual(['Start', ...names.map((name) => `${name} was here`)].toSorted())
})

test('F71 background work that overlaps the next turn loses no change of the memory that both write', async () => {
  const cast = await startCast(soundFile())
  const { api, llm, url } = cast
  const actors = { Max: { include_base_tools: true }, Sue: { include_base_tools: true } }
  const group = await cast.troupe('sleeptime', ['Sue'], { manager: 'Max', actors })
  const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'shared', value: 'Start' })
  await api.patch(`/v1/groups/${group.id}/blocks/attach/${block.id}`)
  const slow = Promise.withResolvers<void>()
  cast.play({
    Max: [{ text: 'Hello.' }, insert('Max was here'), { text: 'Noted.' }],
    Sue: async (body: { messages: { role: string }[] }) => {
      await slow.promise
      return body.messages.at(-1)!.role === 'tool' ? { text: 'Filed.' } : insert('Sue was here')
    },
  })
  const { usage } = await cast.send(`/v1/groups/${group.id}/messages`, { input: 'Hi' })
  const [, background] = usage.run_ids
  await llm.received(2)
  expect(speakerOf(llm.requests[1]!.body)).toBe('Sue')
  await cast.send(`/v1/groups/${group.id}/messages`, { input: 'Note this' })
  slow.resolve()
  await allEvents(await fetch(`${url}/v1/runs/${background}/stream`))
  const { value } = await api.get<{ value: string }>(`/v1/blocks/${block.id}`)
  expect(value.split('\n').toSorted()).toEqual(['Max was here', 'Start', 'Sue was here'])
})
