import { expect, test } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/log.ts'
import { openReader } from '../support/reader.ts'
import { startServer } from '../support/server.ts'

test('F59 when its frames are kept no more a stream answers 410, and the messages are still listed', async () => {
  // A tenth of a second.
  const { api, url, llm } = await startServer({ ROUNDTABLE_FRAMES_RETENTION_DAYS: String(0.1 / 86_400) })
  const { id } = await api.group(['ana'])
  const first = await openReader(`${url}/v1/groups/${id}/messages/stream`, { method: 'POST', body: { input: 'Hi' } })
  await first.ended
  const run = `/v1/runs/${String(first.headers['x-letta-run-id'])}`
  const held = llm.hold()
  const { id: other } = await api.group(['ben'])
  const open = await openReader(`${url}/v1/groups/${other}/messages/stream`, {
    method: 'POST',
    body: { input: 'Hi', stream_tokens: true },
  })
  held.push('Well, ')
  await open.until((seen) => seen.length >= 2)

  await eventually(
    async () => (await fetch(`${url}${run}/stream`).then(async (r) => (await r.body?.cancel(), r.status))) === 410,
  )
  const gone = { status: 410, body: { detail: expect.stringContaining(`still at ${run}/messages`) } }
  expect(await api.call('POST', `${run}/stream`, {})).toMatchObject(gone)
  expect(await api.call('GET', `${run}/stream?starting_after=1`)).toMatchObject(gone)
  const messages = await api.get<LettaMessage[]>(`${run}/messages`)
  expect(messages.map(({ message_type }) => message_type)).toEqual(['user_message', 'assistant_message'])
  expect(await api.get<LettaMessage[]>(`/v1/groups/${id}/messages`)).toHaveLength(2)
  expect(await api.get(run)).toMatchObject({ status: 'completed' })

  // A run that has not ended is not old, however long it takes.
  held.push('goodbye.')
  held.finish()
  await open.ended
  expect(open.seen.map((frame) => frame.id)).toEqual(range(1, open.seen.length))
})
