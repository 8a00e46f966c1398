import { expect, onTestFinished, test, vi } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { range } from '../support/log.ts'
import { openReader, readToEnd } from '../support/reader.ts'
import { startServer } from '../support/server.ts'

const HOUR = 60 * 60 * 1000

test.each([
  ['an hour ahead', Date.now() + HOUR],
  ['an hour back', Date.now() - HOUR],
  ['to 2038', Date.UTC(2038, 0, 20)],
  ['to 1970', 1000],
])('F99 when the clock is set %s within a run, what was said keeps its order, in streams and in lists', async (_, time) => {
  const { api, llm, url } = await startServer()
  const { id } = await api.group(['ana', 'ben', 'cleo'])
  const send = { method: 'POST', body: { input: 'one', stream_tokens: true } }
  const held = llm.hold()
  const sender = await openReader(`${url}/v1/groups/${id}/messages/stream`, send)
  held.push('Well, ')
  await sender.until((seen) => seen.length >= 2)

  vi.useFakeTimers({ toFake: ['Date'], now: time })
  onTestFinished(() => void vi.useRealTimers())
  held.push('goodbye.')
  held.finish()
  expect(await sender.ended).toBe('end')
  expect(sender.seen.map((frame) => frame.id)).toEqual(range(1, sender.seen.length))
  const run = String(sender.headers['x-letta-run-id'])
  expect((await readToEnd(`${url}/v1/runs/${run}/stream`)).seen).toEqual(sender.seen)

  await api.post(`/v1/groups/${id}/messages`, { input: 'two' })
  vi.useRealTimers()
  await api.post(`/v1/groups/${id}/messages`, { input: 'three' })
  const messages = await api.get<LettaMessage[]>(`/v1/groups/${id}/messages?order=asc&limit=100`)
  const said = messages.flatMap((message) => (message.message_type === 'user_message' ? [message.content] : [message.name]))
  expect(said).toEqual(['one', 'two', 'three'].flatMap((input) => [input, 'ana', 'ben', 'cleo']))
  // A page goes on where the one before it ended.
  const pages: LettaMessage[] = []
  for (let after = ''; ; after = `&after=${pages.at(-1)!.id}`) {
    const page = await api.get<LettaMessage[]>(`/v1/groups/${id}/messages?order=asc&limit=5${after}`)
    if (page.length === 0) break
    pages.push(...page)
  }
  expect(pages).toEqual(messages)
  const runs = await api.get<Run[]>('/v1/runs/?order=asc')
  expect(runs.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed'])
  expect(runs[0]!.id).toBe(run)
})
