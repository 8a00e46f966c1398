import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { demo } from '../../src/llm/demo.ts'
import type { Delta } from '../../src/llm/provider.ts'
import { collect, folded, modelCall, textOf, user, weather } from './call.ts'

const model = demo({ tokenMs: 0 })
const system = (persona: string) =>
  `You are in a group chat.\n<memory_blocks>\n<persona>\n<description>\nx\n</description>\n<value>\n${persona}\n</value>\n</persona>\n</memory_blocks>`
const personas = [
  'I am Ada, a sceptical auditor of bridges.',
  'I am Bo, a poet who loves harbours.',
  'I am Cy, an engineer of small robots.',
  'I am Di, and I keep bees.',
]
const asks = [user('How should we celebrate the harbour festival?')]

test('the same prompt, the same answer; reasoning first, which says what it is', async () => {
  const first = await collect(model, { system: system(personas[0]!), messages: asks })
  expect(await collect(model, { system: system(personas[0]!), messages: asks })).toEqual(first)
  const [reasoning, text, finish] = folded(first)
  expect(reasoning).toMatchObject({ type: 'reasoning', text: expect.stringContaining('demo model') })
  expect(text!.type).toBe('text')
  expect(finish).toMatchObject({ type: 'finish', reason: 'stop', usage: { completionTokens: expect.any(Number) } })
  expect(first.length).toBeGreaterThan(15)
})

test('other personas, other words; each about the topic', async () => {
  const texts = await Promise.all(
    personas.map(async (persona) => textOf(await collect(model, { system: system(persona), messages: asks }))),
  )
  expect(new Set(texts).size).toBe(personas.length)
  for (const text of texts) {
    expect(text).toMatch(/festival/)
    expect(text.match(/[.?!:](\s|$)/g)!.length).toBeGreaterThanOrEqual(2)
  }
})

test('it answers who spoke before it', async () => {
  const messages = [user('How should we celebrate?\nana: With lanterns on the quay, obviously.')]
  expect(textOf(await collect(model, { system: system(personas[1]!), messages }))).toMatch(/ana/)
})

test('no persona, no user, no block: it still speaks', async () => {
  expect(textOf(await collect(model, { system: '', messages: [] }))).toMatch(/\w/)
})

test.each([
  ['Please call weather {"place": "Rome", "deep": {"a": 1}} now', '{"place": "Rome", "deep": {"a": 1}}'],
  ['use the tool `weather`', '{"place":"use the tool `weather`"}'],
])('it calls a tool when told to: %s', async (text, args) => {
  const [, call, finish] = folded(await collect(model, { messages: [user(text)], tools: [weather] }))
  expect(call).toMatchObject({ type: 'tool_call', name: 'weather', arguments: args })
  expect(finish).toMatchObject({ reason: 'tool_calls' })
  expect(textOf(await collect(model, { messages: [user(text)] }))).toMatch(/\w/)
})

test('it speaks about the result', async () => {
  const messages = [
    user('call weather {}'),
    { role: 'assistant' as const, content: [{ type: 'tool_call' as const, id: 'a', name: 'weather', arguments: '{}' }] },
    { role: 'tool' as const, results: [{ id: 'a', name: 'weather', text: '18 degrees', isError: false }] },
  ]
  expect(textOf(await collect(model, { messages, tools: [weather] }))).toContain('18 degrees')
})

test('a forced call has arguments that fit the schema', async () => {
  const parameters = {
    type: 'object',
    properties: {
      name: { type: 'string', enum: ['ana', 'ben', 'cyd'] },
      count: { type: 'integer', minimum: 3 },
      tags: { type: 'array', items: { type: 'string' } },
      inner: { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] },
      maybe: { anyOf: [{ type: 'null' }, { type: 'string' }] },
    },
    required: ['name', 'count', 'tags', 'inner', 'maybe'],
  }
  const tools = [{ name: 'choose', description: '', parameters }]
  const messages = [user('Who is next?\nana: Not me.')]
  for (const toolChoice of ['required' as const, { name: 'choose' }]) {
    const [, call] = folded(await collect(model, { messages, tools, toolChoice }))
    const given = JSON.parse(call?.type === 'tool_call' ? call.arguments : '')
    expect(new Ajv().validate(parameters, given)).toBe(true)
    expect(given.name).toBe('ben')
  }
})

test('an abort ends it at once, also in the middle of a wait', async () => {
  const abort = new AbortController()
  const heard: Delta[] = []
  const stream = demo({ tokenMs: 1e6 }).stream(modelCall({ signal: abort.signal }), (deltas) => void heard.push(...deltas))
  abort.abort(new Error('cancelled'))
  await expect(stream).rejects.toThrow('cancelled')
  expect(heard).toEqual([])
})
