import { expect, test } from 'vitest'
import type { AgentState } from '../../src/wire/agent.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { range } from '../support/log.ts'
import { startServer } from '../support/server.ts'

const WINDOW = 4000
/** The scripted model counts as a strict provider would. */
const tokensOf = (body: unknown) => Math.ceil(JSON.stringify(body).length / 4)

const tooLong = {
  status: 400,
  body: { error: { message: 'This model’s maximum context length is 4000 tokens', code: 'context_length_exceeded' } },
}

/** A thousand messages: questions, thoughts, calls of tools; some with a result, some without. */
const history = range(1, 1000).map((n) =>
  n % 4 === 0
    ? {
        role: 'assistant',
        content: [
          { type: 'text', text: `Let me look up number ${n}.` },
          { type: 'tool_call', id: `call_${n}`, name: 'look_up', input: { number: n } },
        ],
      }
    : { role: n % 4 === 2 ? 'assistant' : 'user', content: `Message ${n} of a long conversation about this and that.` },
)

test('a history of a thousand messages and a window of 4 k tokens: older ones are summarised, every request is valid', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'ana', context_window_limit: WINDOW })
  const refused: number[] = []
  llm.script((body, n) => {
    if (tokensOf(body.messages) > WINDOW) {
      refused.push(n)
      return tooLong
    }
    return {
      text: body.tools
        ? 'Here I am.'
        : /summar/i.test(JSON.stringify(body.messages[0]))
          ? 'They spoke of numbers.'
          : 'Still here.',
    }
  })
  const first = await api.post<LettaResponse>(`/v1/agents/${id}/messages`, {
    messages: history,
    include_compaction_messages: true,
  })
  expect(first.messages.map(({ message_type }) => message_type)).toEqual([
    'event_message',
    'summary_message',
    'assistant_message',
  ])
  expect(refused).toEqual([1])
  expect((await api.get<AgentState>(`/v1/agents/${id}`)).message_ids!.length).toBeLessThan(200)
  for (const n of range(1, 5)) {
    const { stop_reason } = await api.post<LettaResponse>(`/v1/agents/${id}/messages`, { input: `And now ${n}?` })
    expect(stop_reason.stop_reason).toBe('end_turn')
  }
  // Nothing is gone: all of it is still listed.
  const listed = await api.get<LettaMessage[]>(`/v1/agents/${id}/messages?order=asc&limit=1000`)
  expect(listed.length).toBeGreaterThanOrEqual(1000)
})

test('a step that leaves the context nearly full is followed by a summary, told only to those who ask', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'ana', context_window_limit: WINDOW })
  llm.script((body) => {
    if (/summar/i.test(JSON.stringify(body.messages[0]))) return { text: 'A summary.' }
    return { text: 'Hello.', usage: { promptTokens: 3700, completionTokens: 10 } }
  })
  await api.post(`/v1/agents/${id}/messages`, { messages: history.slice(0, 40) })
  const calls = llm.requests.length
  expect(calls).toBe(2)
  const silent = await api.post<LettaResponse>(`/v1/agents/${id}/messages`, { input: 'x', include_compaction_messages: false })
  expect(silent.messages.map(({ message_type }) => message_type)).toEqual(['assistant_message'])
})

test('a system prompt that fills the window alone ends the run with a reason of its own', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'ana', context_window_limit: 1000, system: 'word '.repeat(2000) })
  llm.script(() => tooLong)
  const answer = await api.call<{ detail: string }>('POST', `/v1/agents/${id}/messages`, { input: 'x' })
  expect(answer.status).toBe(400)
  const [run] = await api.get<{ stop_reason: string; status: string }[]>('/v1/runs/')
  expect(run).toMatchObject({ status: 'failed', stop_reason: 'context_window_overflow_in_system_prompt' })
})

test('an agent’s history is summarised when somebody asks', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ name: 'ana' })
  llm.script((body) => (/summar/i.test(JSON.stringify(body.messages[0])) ? { text: 'A summary.' } : { text: 'Hello.' }))
  await api.post(`/v1/agents/${id}/messages`, { messages: history.slice(0, 40) })
  const done = await api.post<{ summary: string; num_messages_before: number; num_messages_after: number }>(
    `/v1/agents/${id}/summarize`,
  )
  expect(done.summary).toBe('A summary.')
  expect(done.num_messages_after).toBeLessThan(done.num_messages_before)
})
