import { Letta, ConflictError, NotFoundError, UnprocessableEntityError } from '@letta-ai/letta-client'
import { APIError, InternalServerError, Letta as LatestLetta } from 'letta-client-latest'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import { contract } from '../support/contract.ts'
import { startServer } from '../support/server.ts'

type Messages = { messages: { role: 'user'; content: string }[] }
const hi: Messages = { messages: [{ role: 'user', content: 'Hi' }] }
// oxlint-disable-next-line typescript/no-explicit-any -- an event is whatever the server sent
type Item = any
type Items = AsyncIterable<Item>

/** A server, both clients, and how often they called; every JSON answer that they get is held against the contract. */
async function start() {
  const server = await startServer()
  const calls: string[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const method = init?.method?.toUpperCase() ?? 'GET'
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    calls.push(`${method} ${pathname}`)
    const response = await globalThis.fetch(input, init)
    const isJson = response.headers.get('content-type')?.includes('application/json')
    const faults = isJson && contract()?.validate(method, pathname, response.status, await response.clone().json())
    expect([pathname, faults || []]).toEqual([pathname, []])
    return response
  }
  const options = { baseURL: server.url, apiKey: 'any', fetch }
  return { ...server, calls, client: new Letta(options), latest: new LatestLetta(options) }
}

const text = (items: Item[]): string =>
  items
    .filter((item) => item.message_type === 'assistant_message')
    .map(({ name, content }) => `${name}: ${content}`)
    .join('\n')
const types = (items: Item[]): string[] => items.map((item) => item.message_type)

/** Members with a block, made by the client, and their group. */
async function groupOf(client: Letta, names: string[]) {
  const block = await client.blocks.create({ label: 'plan', value: 'Talk.' })
  const agents = await Promise.all(
    names.map((name) => client.agents.create({ name, block_ids: [block.id], include_base_tools: false })),
  )
  return await client.groups.create({ agent_ids: agents.map(({ id }) => id), description: 'a talk' })
}

test('1.6.4 makes agents and a group, talks to it, and reads it all again', async () => {
  const { client } = await start()
  const group = await groupOf(client, ['Ann', 'Bob'])
  expect(await client.groups.retrieve(group.id)).toEqual(group)
  expect((await client.groups.update(group.id, { description: 'another' })).description).toBe('another')
  const answer = await client.groups.messages.create(group.id, hi)
  expect(answer.stop_reason.stop_reason).toBe('end_turn')
  expect(text(answer.messages)).toBe('Ann: Hello from gpt-4o-mini.\nBob: Hello from gpt-4o-mini.')
  const given: Item[] = await Array.fromAsync(
    (await client.groups.messages.stream(group.id, { ...hi, stream_tokens: true })) as Items,
  )
  expect(types([given[0], ...given.slice(-2)])).toEqual(['ping', 'stop_reason', 'usage_statistics'])
  expect(given.map(({ seq_id }) => seq_id)).toEqual(given.map((_, i) => i + 1))
  const run = await client.runs.retrieve(given[0].run_id)
  expect(run).toMatchObject({ status: 'completed', stop_reason: 'end_turn', metadata: { group_id: group.id } })
  expect((await client.runs.usage.retrieve(run.id)).prompt_tokens).toBe(20)
  expect((await client.runs.steps.list(run.id)).getPaginatedItems()).toHaveLength(2)
  expect((await client.agents.retrieve(group.agent_ids[0]!)).blocks[0]!.label).toBe('plan')
  expect((await client.agents.blocks.retrieve('plan', { agent_id: group.agent_ids[1]! })).value).toBe('Talk.')
  await client.groups.messages.reset(group.id)
  expect((await client.groups.messages.list(group.id)).getPaginatedItems()).toEqual([])
  await client.groups.delete(group.id)
  await expect(client.groups.retrieve(group.id)).rejects.toBeInstanceOf(NotFoundError)
})

test('1.12.1, which has no groups of its own, talks to one by its address and to an agent, token by token', async () => {
  const { client, latest, llm } = await start()
  const group = await groupOf(client, ['Ann', 'Bob'])
  llm.script((_body, n) => ({ text: `Line ${n} 😀.`, chunk: 2 }))
  const body = { ...hi, streaming: true, stream_tokens: true }
  const given = await Array.fromAsync(
    await latest.post<AsyncIterable<Item>>(`/v1/groups/${group.id}/messages`, { body, stream: true }),
  )
  expect(
    given
      .filter(({ name }) => name === 'Bob')
      .map(({ content }) => content)
      .join(''),
  ).toBe('Line 2 😀.')
  expect(given.at(-1)).toMatchObject({ message_type: 'usage_statistics', step_count: 2 })
  const direct: Item[] = await Array.fromAsync(
    await latest.agents.messages.create(group.agent_ids[0]!, { ...hi, streaming: true, stream_tokens: true }),
  )
  expect(
    direct
      .filter(({ name }) => name === 'Ann')
      .map(({ content }) => content)
      .join(''),
  ).toBe('Line 3 😀.')
  const whole = await latest.agents.messages.create(group.agent_ids[1]!, hi)
  expect(text(whole.messages)).toBe('Bob: Line 4 😀.')
})

test('a client that breaks off resumes by the run: both parts are the whole', async () => {
  const { client, latest, llm } = await start()
  const group = await groupOf(client, ['Ann', 'Bob'])
  const held = llm.hold()
  const seen: Item[] = []
  const sent = (await client.groups.messages.stream(group.id, { ...hi, stream_tokens: true })) as Items
  held.push('Are you ')
  for await (const item of sent) {
    seen.push(item)
    if (item.message_type === 'assistant_message') break
  }
  held.push('there?')
  held.finish()
  const { run_id, seq_id } = seen.at(-1)
  for await (const item of (await latest.runs.messages.stream(run_id, { starting_after: seq_id })) as Items) seen.push(item)
  const whole = await Array.fromAsync((await latest.runs.messages.stream(run_id, { starting_after: 0 })) as Items)
  expect(seen).toEqual(whole)
  expect(text(seen)).toBe('Ann: Are you \nAnn: there?\nBob: Hello \nBob: from \nBob: gpt-4o-mini.')
  const nothing = await Array.fromAsync((await latest.runs.messages.stream(run_id, { starting_after: 1000 })) as Items)
  expect(nothing).toEqual([])
})

test.each([1, 2, 3, 100])('lists in pages of %i give every item once, in order', async (limit) => {
  const { client, latest, llm } = await start()
  const group = await groupOf(client, ['Ann', 'Bob'])
  llm.script((_body, n) => ({ reasoning: 'Hm.', text: `Line ${n}.` }))
  for (let i = 0; i < 3; i++) await client.groups.messages.create(group.id, hi)

  const runs = (order: 'asc' | 'desc') => Array.fromAsync(client.runs.list({ limit, order }), ({ id }) => id)
  const ascending = await runs('asc')
  expect(new Set(ascending).size).toBe(3)
  expect(await runs('desc')).toEqual(ascending.toReversed())

  const all = await Array.fromAsync(client.groups.messages.list(group.id, { limit, order: 'asc' }))
  const one = ['user_message', 'reasoning_message', 'assistant_message', 'reasoning_message', 'assistant_message']
  expect(types(all)).toEqual([...one, ...one, ...one])
  expect(text(all)).toBe([1, 2, 3, 4, 5, 6].map((n) => `${n % 2 ? 'Ann' : 'Bob'}: Line ${n}.`).join('\n'))
  expect(await Array.fromAsync(client.groups.messages.list(group.id, { limit: 100, order: 'asc' }))).toEqual(all)

  const own = await Array.fromAsync(latest.agents.messages.list(group.agent_ids[1]!, { limit, order: 'asc' }))
  expect(own.filter((item) => item.message_type === 'user_message')).toHaveLength(3)
  const steps = await Array.fromAsync(latest.runs.steps.list(ascending[0]!, { limit, order: 'asc' }), ({ id }) => id)
  expect(new Set(steps).size).toBe(2)
  expect(steps).toHaveLength(2)
})

test('refusals are the client’s typed errors, and are not sent again where that cannot help', async () => {
  const { client, calls } = await start()
  const agent = await client.agents.create({ include_base_tools: false })
  const calledBy = async (call: () => Promise<unknown>, type: new (...args: never[]) => Error) => {
    calls.length = 0
    await expect(call()).rejects.toBeInstanceOf(type)
    return calls.length
  }
  expect(await calledBy(async () => client.groups.retrieve(newId('group')), NotFoundError)).toBe(1)
  expect(await calledBy(async () => client.groups.messages.create(newId('group'), hi), NotFoundError)).toBe(1)
  expect(await calledBy(async () => client.groups.messages.stream(newId('group'), hi), NotFoundError)).toBe(1)
  expect(await calledBy(async () => client.agents.messages.cancel(agent.id), ConflictError)).toBe(1)
  expect(await calledBy(async () => client.agents.messages.create(agent.id, { messages: [] }), UnprocessableEntityError)).toBe(
    1,
  )
  await expect(async () => client.agents.messages.create(agent.id, { messages: [] })).rejects.toThrow(
    'Messages must not be empty',
  )
})

test('a busy group is a conflict that names the run, and a client that waits gets its turn', async () => {
  const { client, llm, url } = await start()
  const group = await groupOf(client, ['Ann'])
  const held = llm.hold()
  const first = (await client.groups.messages.stream(group.id, hi)) as Items
  const refused = client.groups.messages.create(group.id, hi, { maxRetries: 0 })
  await expect(refused).rejects.toBeInstanceOf(ConflictError)
  await expect(refused).rejects.toMatchObject({ error: { run_id: expect.stringMatching(/^run-/) } })
  const statuses: number[] = []
  const patient = new Letta({
    baseURL: url,
    apiKey: 'any',
    async fetch(...args) {
      const response = await fetch(...args)
      statuses.push(response.status)
      if (response.status === 409) held.finish()
      return response
    },
  })
  held.push('Done.')
  const [{ messages }] = await Promise.all([patient.groups.messages.create(group.id, hi), Array.fromAsync(first)])
  expect(text(messages)).toBe('Ann: Hello from gpt-4o-mini.')
  expect(statuses).toEqual([409, 200])
})

test('a failure of the model is an error of the stream, and a request for JSON is not said twice', async () => {
  const { client, latest, llm, calls } = await start()
  const group = await groupOf(client, ['Ann', 'Bob'])
  llm.script(() => ({ status: 500, headers: { 'retry-after': '3600' } }))
  const stream = (await latest.agents.messages.create(group.agent_ids[0]!, { ...hi, streaming: true })) as Items
  const seen: Item[] = []
  const read = async () => {
    for await (const item of stream) seen.push(item)
  }
  const failed = await read().catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(APIError)
  expect(failed).toMatchObject({ error: { message_type: 'error_message', error_type: 'llm_error' } })
  expect(types(seen)).toEqual(['ping', 'stop_reason'])
  calls.length = 0
  const whole = latest.agents.messages.create(group.agent_ids[0]!, hi)
  await expect(whole).rejects.toBeInstanceOf(InternalServerError)
  expect(calls).toHaveLength(1)
  expect((await client.runs.list({ limit: 10 })).getPaginatedItems()).toHaveLength(2)
})

test('a client made by Fern gets no frame that it cannot read, and no byte that it could break', async () => {
  const { client, llm, url } = await start()
  const group = await groupOf(client, ['Ann'])
  llm.script([{ text: 'Zoë says [DONE] 😀' }])
  const response = await fetch(`${url}/v1/groups/${group.id}/messages/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-fern-language': 'JavaScript' },
    body: JSON.stringify({ ...hi, stream_tokens: true }),
  })
  const run = response.headers.get('x-letta-run-id')!
  const fern = await response.text()
  // oxlint-disable-next-line no-control-regex -- all that is ASCII
  expect(fern).toMatch(/^[\x00-\x7f]*$/)
  expect(fern.match(/\[DONE\]/g)).toHaveLength(1)
  const frames = fern.split('\n\n').filter(Boolean)
  expect(frames.at(-1)).toMatch(/^id: \d+\ndata: \[DONE\]$/)
  const items: Item[] = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)))
  // The same frames with the same numbers as everybody’s, but for two.
  const whole = await Array.fromAsync((await client.runs.messages.stream(run, { starting_after: 0 })) as Items)
  expect(items).toEqual(whole.filter(({ message_type: type }) => type !== 'ping' && type !== 'stop_reason'))
  expect(frames.slice(0, -1).map((frame) => Number(/^id: (\d+)/.exec(frame)![1]))).toEqual(items.map(({ seq_id }) => seq_id))
  expect(text(items).replaceAll('\nAnn: ', '')).toBe('Ann: Zoë says [DONE] 😀')
})
