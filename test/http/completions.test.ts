import OpenAI, { APIError, AuthenticationError, BadRequestError, ConflictError, NotFoundError, RateLimitError } from 'openai'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import type { Run } from '../../src/wire/run.ts'
import { startServer, type TestServer } from '../support/server.ts'

const client = ({ url }: Pick<TestServer, 'url'>, more: object = {}) =>
  new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: 'any', maxRetries: 0, ...more })

const hi = [{ role: 'user' as const, content: 'Hi' }]

/** What each model call was told, without system prompts. */
const heard = ({ llm }: TestServer) =>
  llm.requests.map(({ body }) => body.messages.filter(({ role }: any) => role !== 'system').map(({ content }: any) => content))

test('a group is a model: one answer, each speaker named, with usage', async () => {
  const server = await startServer()
  const group = await server.api.group(['ana', 'ben'])
  const done = await client(server).chat.completions.create({ model: group.id, messages: hi })
  expect(done).toMatchObject({ object: 'chat.completion', model: group.id, created: expect.any(Number) })
  expect(done.choices).toHaveLength(1)
  expect(done.choices[0]).toMatchObject({
    finish_reason: 'stop',
    message: { role: 'assistant', content: '**ana:** Hello from gpt-4o-mini.\n\n**ben:** Hello from gpt-4o-mini.' },
  })
  expect(done.usage).toMatchObject({
    prompt_tokens: 20,
    completion_tokens: expect.any(Number),
    total_tokens: expect.any(Number),
  })
  // The answer's id is the run's.
  expect((await server.api.get<Run>(`/v1/runs/${done.id}`)).metadata).toMatchObject({ group_id: group.id })
})

test('streamed, it is the same text, told who speaks by a line and by `name`, and usage where it is asked for', async () => {
  const server = await startServer()
  const group = await server.api.group(['ana', 'ben'])
  const stream = await client(server).chat.completions.create({
    model: group.id,
    messages: hi,
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks = await Array.fromAsync(stream)
  expect(new Set(chunks.map(({ id, object }) => `${id} ${object}`)).size).toBe(1)
  const deltas = chunks.flatMap(({ choices }) =>
    choices.map(({ delta }) => delta as { role?: string; name?: string; content?: string }),
  )
  expect(deltas[0]).toEqual({ role: 'assistant', content: '' })
  expect(deltas.flatMap(({ name }) => name ?? [])).toEqual(['ana', 'ben'])
  expect(deltas.map(({ content }) => content ?? '').join('')).toBe(
    '**ana:** Hello from gpt-4o-mini.\n\n**ben:** Hello from gpt-4o-mini.',
  )
  expect(deltas.length).toBeGreaterThan(6)
  expect(chunks.flatMap(({ choices }) => choices.flatMap(({ finish_reason: reason }) => reason ?? []))).toEqual(['stop'])
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 20 } })
})

test('an agent is a model by its id or its name, and speaks for itself; `/v1` is a base URL, too', async () => {
  const server = await startServer()
  const ana = await server.api.agent({ name: 'Ana' })
  for (const [model, baseURL] of [
    [ana.id, `${server.url}/openai/v1`],
    ['Ana', `${server.url}/openai/v1/`],
    ['Ana', `${server.url}/v1`],
  ] as const) {
    const done = await client(server, { baseURL }).chat.completions.create({ model, messages: hi })
    expect(done.choices[0]!.message.content).toBe('Hello from gpt-4o-mini.')
  }
})

test('models are listed and shown as OpenAI’s clients expect; Letta’s clients have their own list', async () => {
  const server = await startServer()
  const group = await server.api.group(['ana', 'ben'], { description: 'the crew' })
  const models = await Array.fromAsync(client(server).models.list())
  expect(models).toMatchObject([
    { id: group.id, object: 'model', owned_by: 'roundtable', name: 'the crew' },
    { id: group.agent_ids[1], name: 'ben' },
    { id: group.agent_ids[0], name: 'ana' },
  ])
  expect(await client(server).models.retrieve('the crew')).toEqual(models[0])
  expect(Array.isArray(await server.api.get('/v1/models/'))).toBe(true)
})

test('only what follows the last assistant message is said: the server has the rest', async () => {
  const server = await startServer()
  const ana = await server.api.agent({ name: 'ana' })
  const openai = client(server)
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'one' },
  ]
  const first = await openai.chat.completions.create({ model: ana.id, messages })
  messages.push({ role: 'assistant', content: first.choices[0]!.message.content }, { role: 'user', content: 'two' })
  await openai.chat.completions.create({ model: ana.id, messages })
  const listed = await server.api.get<any[]>(`/v1/agents/${ana.id}/messages?order=asc`)
  expect(listed.map(({ message_type: type, content }) => [type, content]).slice(1)).toEqual([
    ['system_message', 'Be brief.'],
    ['user_message', 'one'],
    ['assistant_message', 'Hello from gpt-4o-mini.'],
    ['user_message', 'two'],
    ['assistant_message', 'Hello from gpt-4o-mini.'],
  ])
  expect(JSON.stringify(heard(server)[1]).match(/one/g)).toHaveLength(1)
  await expect(openai.chat.completions.create({ model: ana.id, messages: messages.slice(0, 3) })).rejects.toThrow(
    'Nothing to say',
  )
})

test('pictures and several parts of text arrive', async () => {
  const server = await startServer()
  const ana = await server.api.agent({ name: 'ana' })
  const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='
  await client(server).chat.completions.create({
    model: ana.id,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is' },
          { type: 'text', text: 'this?' },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
        ],
      },
    ],
  })
  const [[content]] = heard(server) as any
  expect(content).toMatchObject([{ text: 'What is' }, { text: 'this?' }, { type: 'image_url' }])
  expect(content[2].image_url.url).toContain(pixel)
})

test('the caller’s own tools are run by the caller: calls come as tool_calls, results go on with the conversation', async () => {
  const server = await startServer()
  const { api, llm } = server
  const group = await api.group(['ana', 'ben'])
  const openai = client(server)
  const tools = [
    {
      type: 'function' as const,
      function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
    },
  ]
  for (const stream of [false, true]) {
    llm.script([
      { text: 'Let me see.', toolCalls: [{ id: `call-${stream}`, name: 'weather', arguments: '{"city":"Oslo"}' }] },
      { text: 'It rains.' },
      { text: 'Pity.' },
    ])
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Weather?' }]
    const asked = stream
      ? await openai.chat.completions.stream({ model: group.id, messages, tools }).finalChatCompletion()
      : await openai.chat.completions.create({ model: group.id, messages, tools })
    const [choice] = asked.choices
    expect(choice!.finish_reason).toBe('tool_calls')
    expect(choice!.message.content).toBe('**ana:** Let me see.')
    expect(choice!.message.tool_calls).toMatchObject([
      { id: `call-${stream}`, type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
    ])
    messages.push(choice!.message, { role: 'tool', tool_call_id: `call-${stream}`, content: 'rain' })
    const told = await openai.chat.completions.create({ model: group.id, messages, tools })
    expect(told.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: '**ana:** It rains.\n\n**ben:** Pity.' },
    })
  }
})

test('a supervisor’s members, who speak at once, are never mixed', async () => {
  const server = await startServer()
  const { api, llm } = server
  const boss = await api.agent({ name: 'boss' })
  const group = await api.group(['ana', 'ben'], { manager_config: { manager_type: 'supervisor', manager_agent_id: boss.id } })
  llm.script((body) => {
    const tool = body.tools?.find(({ function: { name } }: any) => name === 'send_message_to_all_agents_in_group')
    const asked = body.messages.some(({ role }: any) => role === 'tool')
    if (tool && !asked) return { toolCalls: [{ name: tool.function.name, arguments: '{"message":"Say something."}' }] }
    return { text: asked ? 'All have spoken.' : 'one two three four five' }
  })
  const stream = await client(server).chat.completions.create({ model: group.id, messages: hi, stream: true })
  let text = ''
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
  expect(text.split('\n\n').toSorted()).toEqual([
    '**ana:** one two three four five',
    '**ben:** one two three four five',
    '**boss:** All have spoken.',
  ])
})

test('a client that goes away does not stop the run', async () => {
  const server = await startServer()
  const { api, llm, url } = server
  const ana = await api.agent({ name: 'ana' })
  const held = llm.hold()
  const stream = await client(server).chat.completions.create({ model: ana.id, messages: hi, stream: true })
  let id = ''
  for await (const chunk of stream) {
    ;({ id } = chunk)
    break
  }
  held.push('Still here.')
  held.finish()
  await (await fetch(`${url}/v1/runs/${id}/stream`)).text()
  expect(await api.get<Run>(`/v1/runs/${id}`)).toMatchObject({ status: 'completed', stop_reason: 'end_turn' })
})

test('what is refused has OpenAI’s shape and status', async () => {
  const server = await startServer()
  const { api, llm } = server
  const openai = client(server)
  const ana = await api.agent({ name: 'ana' })
  const refused = (body: object) =>
    openai.chat.completions.create({ model: ana.id, messages: hi, ...body } as never).catch((error: unknown) => error)
  for (const model of [newId('group'), newId('agent'), 'nobody']) {
    const error = await refused({ model })
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ type: 'invalid_request_error', message: expect.stringContaining(model) })
  }
  await api.agent({ name: 'ana' })
  expect(await refused({ model: 'ana' })).toBeInstanceOf(BadRequestError)
  for (const [body, param] of [
    [{ n: 2 }, 'n'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'user' }] }, 'messages.0.content'],
    [{ model: '' }, 'model'],
  ] as const) {
    const error = await refused(body)
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ status: 422, param, type: 'invalid_request_error' })
  }
  const held = llm.hold()
  const busy = await api.post<Run>(`/v1/agents/${ana.id}/messages/async`, { input: 'think' })
  const conflict = await refused({})
  expect(conflict).toBeInstanceOf(ConflictError)
  expect(conflict).toMatchObject({ message: expect.stringContaining(busy.id) })
  held.finish()
  expect(await (await fetch(`${server.url}/openai/v1/nothing`)).json()).toMatchObject({ error: { message: 'Not Found' } })
})

test('a model’s failure is OpenAI’s error: by status when it does not stream, within the stream when it does', async () => {
  const server = await startServer()
  const { api, llm } = server
  const ana = await api.agent({ name: 'ana' })
  llm.script(() => ({ status: 429, body: { error: { message: 'slow down' } }, headers: { 'retry-after': '0' } }))
  const whole = client(server).chat.completions.create({ model: ana.id, messages: hi })
  await expect(whole).rejects.toBeInstanceOf(RateLimitError)
  const stream = await client(server).chat.completions.create({ model: ana.id, messages: hi, stream: true })
  await expect(Array.fromAsync(stream)).rejects.toThrow(APIError)
})

test('without the key that a server asks for, OpenAI’s clients hear it in their own words', async () => {
  const server = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'a long enough password' })
  await expect(client(server).models.list()).rejects.toBeInstanceOf(AuthenticationError)
  expect((await client(server, { apiKey: 'a long enough password' }).models.list()).data).toEqual([])
})

test('a model that fails half-way and is asked again: the text is said again, as a paragraph of its own', async () => {
  const server = await startServer()
  const group = await server.api.group(['ana'])
  server.llm.script([{ text: 'one two three', cutAfter: 2 }, { text: 'one two three' }])
  const stream = await client(server).chat.completions.create({ model: group.id, messages: hi, stream: true })
  let text = ''
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
  expect(text).toMatch(/^\*\*ana:\*\* one two .*\n\n\*\*ana:\*\* one two three$/)
})
