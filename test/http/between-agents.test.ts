import { expect, test } from 'vitest'
import { range } from '../support/log.ts'
import { startServer } from '../support/server.ts'
import type { Tool } from '../../src/wire/tool.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { LettaResponse } from '../../src/wire/response.ts'

type Server = Awaited<ReturnType<typeof startServer>>

async function pair({ api }: Server) {
  const tools = await api.get<Tool[]>('/v1/tools/?limit=100')
  const id = tools.find(({ name }) => name === 'send_message_to_agent_and_wait_for_reply')!.id
  const asker = await api.agent({ name: 'asker', model: 'openai/asker', tool_ids: [id] })
  const expert = await api.agent({ name: 'expert', model: 'openai/expert' })
  return { asker, expert }
}

test('a hundred questions in a row from one agent to another all get their answer', async () => {
  const server = await startServer()
  const { api, llm } = server
  const { asker, expert } = await pair(server)
  const ask = (n: number) => ({
    toolCalls: [
      {
        name: 'send_message_to_agent_and_wait_for_reply',
        arguments: JSON.stringify({ message: `question ${n}`, other_agent_id: expert.id }),
      },
    ],
  })
  llm.script((body) => {
    const last = body.messages.at(-1)
    if (body.model === 'expert') return { text: `answer to ${/question \d+/.exec(JSON.stringify(last.content))![0]}` }
    const asked = body.messages.filter((message: { role: string }) => message.role === 'tool').length
    return asked < 100 ? ask(asked + 1) : { text: 'All answered.' }
  })
  const { messages, stop_reason } = await api.post<LettaResponse>(`/v1/agents/${asker.id}/messages`, {
    input: 'ask',
    max_steps: 200,
  })
  expect(stop_reason.stop_reason).toBe('end_turn')
  const answers = messages.flatMap((message: LettaMessage) =>
    message.message_type === 'tool_return_message' ? [message.tool_return] : [],
  )
  expect(answers.length).toBe(100)
  for (const n of range(1, 100)) expect(answers[n - 1]).toContain(`answer to question ${n}`)
  expect(await api.get('/v1/runs/?active=true')).toEqual([])
})
