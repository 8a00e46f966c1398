import { expect, test } from 'vitest'
import { Folding } from '../../src/stream/fold.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { startServer } from '../support/server.ts'

type Server = Awaited<ReturnType<typeof startServer>>

const unnumbered = (messages: LettaMessage[]) => messages.map((message) => ({ ...message, seq_id: null }))

/** Three members with a memory; each thinks, calls a tool, then speaks. */
async function talkers({ api, llm }: Server) {
  const { id: block } = await api.post<{ id: string }>('/v1/blocks/', { label: 'notes', value: 'one' })
  const members = await Promise.all(
    ['ana', 'ben', 'cleo'].map((name) => api.agent({ name, include_base_tools: true, block_ids: [block] })),
  )
  llm.script(({ messages }) =>
    messages.at(-1).role === 'tool'
      ? { reasoning: 'It is noted, so I can speak.', text: 'Noted — and said with an ü. 🎉' }
      : {
          reasoning: 'I should note that first.',
          text: 'Let me note it.',
          toolCalls: [
            { name: 'memory_insert', arguments: '{"label": "notes", "new_string": "two"}' },
            { name: 'memory_insert', arguments: '{"label": "nowhere", "new_string": "three"}' },
          ],
        },
  )
  return await api.post<{ id: string }>('/v1/groups/', { agent_ids: members.map(({ id }) => id), description: 'notes' })
}

async function streamed({ url, api }: Server, path: string, body: unknown) {
  const response = await api.stream(path, body)
  const folding = new Folding()
  folding.read(await response.text())
  return { ...folding.result(), runId: response.headers.get('x-letta-run-id')!, url }
}

test('a stream of tokens, merged, is what the lists of its run and of its group return', async () => {
  const server = await startServer()
  const { id } = await talkers(server)
  const { messages, runId } = await streamed(server, `/v1/groups/${id}/messages/stream`, { input: 'go', stream_tokens: true })
  expect(messages.map(({ message_type }) => message_type).slice(0, 6)).toEqual([
    'reasoning_message',
    'assistant_message',
    'tool_call_message',
    'tool_return_message',
    'reasoning_message',
    'assistant_message',
  ])
  expect(messages.length).toBe(18)
  const ofRun = await server.api.get<LettaMessage[]>(`/v1/runs/${runId}/messages`)
  expect(ofRun.slice(1)).toEqual(unnumbered(messages))
  const ofGroup = await server.api.get<LettaMessage[]>(`/v1/groups/${id}/messages?order=asc&limit=100`)
  expect(ofGroup).toEqual(ofRun)
})

test('a stream of whole messages is the same messages', async () => {
  const server = await startServer()
  const { id } = await talkers(server)
  const { messages, runId } = await streamed(server, `/v1/groups/${id}/messages`, { input: 'go', streaming: true })
  const listed = await server.api.get<LettaMessage[]>(`/v1/runs/${runId}/messages`)
  expect(listed.slice(1)).toEqual(unnumbered(messages))
})

test('a JSON reply is its run’s stream, merged, and what the lists return', async () => {
  const server = await startServer()
  const { id } = await talkers(server)
  const answer = await server.api.call<LettaResponse>('POST', `/v1/groups/${id}/messages`, { input: 'go' })
  const runId = answer.headers.get('x-letta-run-id')!
  const again = await streamed(server, `/v1/runs/${runId}/stream`, {})
  expect(answer.body.messages).toEqual(again.messages)
  expect(answer.body.stop_reason).toEqual({ message_type: 'stop_reason', stop_reason: again.stopReason!.stop_reason })
  const { run_id: _, seq_id: __, ...usage } = again.usage!
  expect(answer.body.usage).toEqual(usage)
  expect(usage).toMatchObject({ step_count: 6, run_ids: [runId] })
  const listed = await server.api.get<LettaMessage[]>(`/v1/runs/${runId}/messages`)
  expect(listed.slice(1)).toEqual(unnumbered(answer.body.messages))
})

test('the same holds for an agent that is talked to directly', async () => {
  const server = await startServer()
  const { llm, api } = server
  llm.script(() => ({ reasoning: 'hm', text: 'Hello, you.' }))
  const { id } = await api.agent({ name: 'ana' })
  const { messages, runId } = await streamed(server, `/v1/agents/${id}/messages/stream`, { input: 'hi', stream_tokens: true })
  expect(messages).toMatchObject([{ reasoning: 'hm' }, { content: 'Hello, you.', name: 'ana', sender_id: id, run_id: runId }])
  const listed = await api.get<LettaMessage[]>(`/v1/agents/${id}/messages?order=asc`)
  expect(listed.slice(2)).toEqual(unnumbered(messages))
})

test('a filter on message types hides the same messages in the stream, the reply and the list of the run', async () => {
  const server = await startServer()
  const { id } = await talkers(server)
  const only = { include_return_message_types: ['assistant_message'] }
  const stream = await streamed(server, `/v1/groups/${id}/messages/stream`, { input: 'go', stream_tokens: true, ...only })
  const reply = await server.api.post<LettaResponse>(`/v1/groups/${id}/messages`, { input: 'go', ...only })
  for (const messages of [stream.messages, reply.messages]) {
    expect(messages.length).toBe(6)
    expect(new Set(messages.map(({ message_type }) => message_type))).toEqual(new Set(['assistant_message']))
  }
  const listed = await server.api.get<LettaMessage[]>(`/v1/runs/${stream.runId}/messages`)
  expect(listed).toEqual(unnumbered(stream.messages))
})
