import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MessageRow, Part } from '../../src/db/store.ts'
import type { PromptMessage } from '../../src/llm/provider.ts'
import { groupNote, promptMessages } from '../../src/loop/prompt.ts'
import { newId } from '../../src/wire/id.ts'

const row = (role: MessageRow['role'], parts: Part[], name: string | null = null): MessageRow => ({
  id: newId('message'),
  agentId: 'agent-x',
  groupId: null,
  runId: null,
  stepId: null,
  role,
  parts,
  name,
  senderId: null,
  otid: null,
  isErr: false,
  date: 0,
  heard: false,
})

const text = (value: string): Part => ({ type: 'text', text: value })
const call = (id: string): Part => ({ type: 'tool_call', id, name: `tool_${id}`, arguments: '{}' })
const result = (id: string): Part => ({ type: 'tool_return', tool_call_id: id, content: `result ${id}`, is_error: false })

const ids = fc.uniqueArray(fc.constantFrom('1', '2', '3'), { maxLength: 3 })
const anyRow = fc.oneof(
  fc.constantFrom('user' as const, 'system' as const).map((role) => row(role, [text('hello')])),
  fc
    .tuple(fc.boolean(), ids)
    .map(([speaks, called]) => row('assistant', [...(speaks ? [text('well')] : []), ...called.map(call)])),
  ids.map((returned) => row('tool', returned.map(result))),
)

/** What providers insist on; the words of their refusals. */
function complaints(prompt: PromptMessage[]): string[] {
  const found: string[] = []
  for (const [index, message] of prompt.entries()) {
    const next = prompt[index + 1]
    if (next && next.role === message.role) found.push(`two ${message.role} messages in a row`)
    if (message.role === 'assistant') {
      const calls = message.content.flatMap((part) => (part.type === 'tool_call' ? [part.id] : []))
      const results = next?.role === 'tool' ? next.results.map(({ id }) => id) : []
      if (calls.toSorted().join() !== results.toSorted().join()) found.push(`calls ${calls} have results ${results}`)
    }
    if (message.role === 'tool' && prompt[index - 1]?.role !== 'assistant') found.push('a result without a call')
  }
  if (prompt.at(-1)?.role === 'assistant') found.push('nobody to answer')
  return found
}

test('whatever a history looks like, the prompt made of it is one that every provider takes', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 20 }), (rows) => {
      expect(complaints(promptMessages(rows))).toEqual([])
    }),
  )
})

test('a result that is missing is marked as an error, the ones that are there are kept', () => {
  const prompt = promptMessages([
    row('assistant', [call('1'), call('2')]),
    row('tool', [result('2')]),
    row('user', [text('and?')]),
  ])
  expect(prompt[1]).toMatchObject({
    role: 'tool',
    results: [
      { id: '1', name: 'tool_1', isError: true },
      { id: '2', text: 'result 2', isError: false },
    ],
  })
})

test('a model reads who said what', () => {
  const prompt = promptMessages([
    row('user', [text('Where to?')]),
    row('system', [text('To the sea!')], 'ana'),
    row('system', [text('Be quick.')]),
  ])
  const said = prompt[0]!.role === 'user' ? prompt[0]!.content : []
  expect(said).toMatchObject([{ text: 'Where to?' }, { text: 'ana: To the sea!' }, { text: '[System] Be quick.' }])
})

test('images go through as they came', () => {
  const source = { type: 'base64' as const, media_type: 'image/gif', data: 'R0lG', detail: 'low' }
  const url = { type: 'url' as const, url: 'data:image/png;base64,iVBO' }
  const [message] = promptMessages([row('user', [text('look'), { type: 'image', source }, { type: 'image', source: url }])])
  expect(message).toMatchObject({
    content: [
      { type: 'text', text: 'look' },
      { type: 'image', mediaType: 'image/gif', data: 'R0lG', detail: 'low' },
      { type: 'image', mediaType: 'image/png', data: 'iVBO' },
    ],
  })
})

test('a member knows the others, and what it is about', () => {
  expect(groupNote('ana', ['ben', 'cleo'], 'A trip')).toMatch(/You are ana.*ben, cleo and one user.*A trip/s)
})
