import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupNote, promptMessages } from '../../src/loop/prompt.ts'
import { call, complaints, result, row, text } from '../support/history.ts'

const ids = fc.uniqueArray(fc.constantFrom('1', '2', '3'), { maxLength: 3 })
const anyRow = fc.oneof(
  fc.constantFrom('user' as const, 'system' as const).map((role) => row(role, [text('hello')])),
  fc
    .tuple(fc.boolean(), ids)
    .map(([speaks, called]) => row('assistant', [...(speaks ? [text('well')] : []), ...called.map(call)])),
  ids.map((returned) => row('tool', returned.map(result))),
)

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
    row('system', [text('To the sea!')], { name: 'ana' }),
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
