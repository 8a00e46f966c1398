import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Folding } from '../../src/stream/fold.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { startServer } from '../support/server.ts'

/** The smallest PNG there is. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const types = (messages: LettaMessage[]) => messages.map(({ message_type }) => message_type)

test('another model, another system prompt and skills hold for one request, for every member of a group', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['ana', 'ben'])
  const skill = { name: 'knots', description: 'how to tie', location: '/skills/knots' }
  const request = { input: 'x', override_model: 'openai/other', override_system: 'Be a pirate.', client_skills: [skill] }
  await api.post(`/v1/groups/${id}/messages`, request)
  await api.post(`/v1/groups/${id}/messages`, { input: 'y' })
  const [first, second, third] = llm.requests.map(({ body }) => ({ model: body.model, system: body.messages[0].content }))
  for (const call of [first, second]) {
    expect(call!.model).toBe('other')
    expect(call!.system).toMatch(/^Be a pirate\..*knots.*how to tie.*in a conversation with/s)
  }
  expect(third!.model).toBe('gpt-4o-mini')
  expect(third!.system).not.toMatch(/pirate|knots/)
})

test('an input keeps the caller’s otid; one without gets its own', async () => {
  const { api } = await startServer()
  const { id } = await api.group(['ana'])
  await api.post(`/v1/groups/${id}/messages`, {
    messages: [
      { role: 'user', content: 'one', otid: 'mine' },
      { role: 'user', content: 'two' },
    ],
  })
  const listed = await api.get<LettaMessage[]>(`/v1/groups/${id}/messages?order=asc`)
  expect(listed[0]).toMatchObject({ message_type: 'user_message', otid: 'mine' })
  expect(listed[1]!.otid).toMatch(/^[0-9a-f-]{36}$/)
})

test('type filters take both spellings, and never hide how it ended', async () => {
  const { api, llm } = await startServer()
  llm.script(() => ({ reasoning: 'hm', text: 'yes' }))
  const { id } = await api.group(['ana'])
  const only = { include_return_message_types: ['reasoning_message', 'summary', 'event_message'] }
  const reply = await api.post<LettaResponse>(`/v1/groups/${id}/messages`, { input: 'x', ...only })
  expect(types(reply.messages)).toEqual(['reasoning_message'])
  expect(reply.stop_reason.stop_reason).toBe('end_turn')
  expect(
    types(
      (await api.post<LettaResponse>(`/v1/groups/${id}/messages`, { input: 'x', include_return_message_types: [] })).messages,
    ),
  ).toEqual(['reasoning_message', 'assistant_message'])
})

test('an older agent’s send_message is shown as what it says, streamed or not, and as a call to those who ask', async () => {
  const { api, llm } = await startServer()
  const calls = [{ name: 'send_message', arguments: '{"message": "Hello — “you” \\u00fc\\n🎉"}' }]
  llm.script(() => ({ reasoning: 'I greet.', toolCalls: calls, chunk: 3 }))
  const { id } = await api.agent({ name: 'ana', agent_type: 'memgpt_v2_agent', include_base_tools: true })
  const { id: group } = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [id], description: '' })
  const reply = await api.post<LettaResponse>(`/v1/groups/${group}/messages`, { input: 'hi' })
  expect(types(reply.messages)).toEqual(['reasoning_message', 'assistant_message'])
  expect(reply.messages[1]).toMatchObject({ content: 'Hello — “you” ü\n🎉', name: 'ana' })
  const text = await (await api.stream(`/v1/groups/${group}/messages/stream`, { input: 'hi', stream_tokens: true })).text()
  const folding = new Folding()
  folding.read(text)
  const { messages } = folding.result()
  expect(messages[1]).toMatchObject({ message_type: 'assistant_message', content: 'Hello — “you” ü\n🎉' })
  const listed = await api.get<LettaMessage[]>(`/v1/groups/${group}/messages?order=asc&limit=50`)
  expect(listed.slice(-2)).toEqual(messages.map((message) => ({ ...message, seq_id: null })))
  const asCalls = await api.get<LettaMessage[]>(`/v1/groups/${group}/messages?order=asc&use_assistant_message=false`)
  expect(types(asCalls).slice(1, 4)).toEqual(['reasoning_message', 'tool_call_message', 'tool_return_message'])
  const plain = await api.post<LettaResponse>(`/v1/groups/${group}/messages`, { input: 'hi', use_assistant_message: false })
  expect(types(plain.messages)).toEqual(['reasoning_message', 'tool_call_message', 'tool_return_message'])
})

test('another tool of an older agent can be the one that speaks', async () => {
  const { api, llm } = await startServer()
  llm.script(() => ({
    toolCalls: [{ name: 'memory_insert', arguments: '{"label": "notes", "new_string": "as if said"}' }],
    text: '',
  }))
  const { id } = await api.agent({
    agent_type: 'memgpt_v2_agent',
    include_base_tools: true,
    memory_blocks: [{ label: 'notes', value: '' }],
    tool_rules: [{ type: 'exit_loop', tool_name: 'memory_insert' }],
  })
  const names = { assistant_message_tool_name: 'memory_insert', assistant_message_tool_kwarg: 'new_string' }
  const { messages } = await api.post<LettaResponse>(`/v1/agents/${id}/messages`, { input: 'hi', ...names })
  expect(messages).toMatchObject([{ message_type: 'assistant_message', content: 'as if said' }])
})

test('the system prompt shows memory as the agent’s type wants it, its rules and its archive, and changes only with them', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({
    agent_type: 'memgpt_v2_agent',
    system: 'Before. {CORE_MEMORY} After.',
    memory_blocks: [{ label: 'notes', value: 'one\ntwo' }],
    tool_rules: [{ type: 'max_count_per_step', tool_name: 'send_message', max_count_limit: 1 }],
    include_base_tools: true,
  })
  const system = async () => {
    await api.post(`/v1/agents/${id}/messages`, { input: 'hi' })
    return llm.requests.at(-1)!.body.messages[0].content as string
  }
  const first = await system()
  expect(first).toMatch(/^Before\. <memory_blocks>.*<notes>.*1→ one\n2→ two.*<\/memory_blocks> After\./s)
  expect(first).toMatch(/send_message/)
  expect(first).not.toMatch(/ARCHIVED/)
  expect(await system()).toBe(first)
  await api.patch(`/v1/agents/${id}/core-memory/blocks/notes`, { value: 'three' })
  expect(await system()).toMatch(/1→ three\n/)
})

test('images go through: base64, data: and, from where it is allowed, by address', async () => {
  const host = createServer((_request, response) => {
    response.setHeader('content-type', 'image/png').end(Buffer.from(png, 'base64'))
  })
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void host.close())
  const { port } = host.address() as AddressInfo
  const { api, llm } = await startServer({ ROUNDTABLE_FETCH_ALLOW: `127.0.0.1:${port}` })
  const { id } = await api.group(['ana', 'ben'])
  const image = (source: object) => ({ type: 'image', source })
  const content = [
    { type: 'text', text: 'What is this?' },
    image({ type: 'base64', media_type: 'image/png', data: png }),
    image({ type: 'url', url: `data:image/png;base64,${png}` }),
    image({ type: 'url', url: `http://127.0.0.1:${port}/a.png` }),
  ]
  await api.post(`/v1/groups/${id}/messages`, { messages: [{ role: 'user', content }] })
  for (const { body } of llm.requests) {
    const parts = body.messages.at(-1).content
    expect(parts.filter(({ type }: { type: string }) => type === 'image_url').length).toBe(3)
    expect(JSON.stringify(parts)).toContain(png)
  }
})

test('F89 an image that must not be fetched is refused before anything is stored', async () => {
  const { api } = await startServer()
  const { id } = await api.group(['ana'])
  for (const url of ['file:///etc/passwd', 'http://127.0.0.1:1/x.png', 'http://169.254.169.254/', 'http://localhost/x.png']) {
    const content = [{ type: 'image', source: { type: 'url', url } }]
    const answer = await api.call<{ detail: string }>('POST', `/v1/groups/${id}/messages/stream`, {
      messages: [{ role: 'user', content }],
    })
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toMatch(/Unsupported image URL scheme|Failed to fetch image/)
  }
  expect(await api.get(`/v1/groups/${id}/messages`)).toEqual([])
  expect(await api.get('/v1/runs/')).toEqual([])
})
