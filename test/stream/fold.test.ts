import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MessageRow } from '../../src/db/store.ts'
import { Answer } from '../../src/stream/answer.ts'
import { Encoder } from '../../src/stream/encoder.ts'
import { expand } from '../../src/stream/expand.ts'
import { Folding } from '../../src/stream/fold.ts'
import { readFrame } from '../../src/stream/frame.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import { newId } from '../../src/wire/id.ts'

const row = (): MessageRow => ({
  id: newId('message'),
  agentId: 'agent-x',
  groupId: null,
  runId: 'run-x',
  stepId: 'step-x',
  role: 'assistant',
  parts: [],
  name: 'ana',
  senderId: 'agent-x',
  otid: null,
  isErr: false,
  date: 1_700_000_000_000,
  heard: false,
})

const text = fc.string({ unit: 'grapheme' })
const piece = fc.oneof(
  text.map((value) => (answer: Answer) => answer.text(value)),
  fc.tuple(text, fc.option(text)).map(
    ([value, signature]) =>
      (answer: Answer) =>
        answer.reasoning(value, signature),
  ),
  fc.option(text).map((data) => (answer: Answer) => answer.hiddenReasoning(data)),
  fc.tuple(fc.integer({ min: 1, max: 3 }), text).map(
    ([n, args]) =>
      (answer: Answer) =>
        answer.call(`call_${n}`, `tool${n}`, args),
  ),
)

const unnumbered = (messages: LettaMessage[]) => messages.map((message) => ({ ...message, seq_id: null }))

test('the pieces of an answer, sent as frames and merged, are the messages of the row that is stored', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      const stored = row()
      const answer = new Answer(stored)
      const folding = new Folding()
      const encoder = new Encoder()
      let seq = 0
      for (const say of pieces) {
        const message = say(answer)
        if (message) folding.add(readFrame(encoder.encode(message, ++seq).text)!)
      }
      expect(unnumbered(folding.result().messages)).toEqual(expand({ ...stored, parts: answer.parts }))
    }),
  )
})

test('consecutive pieces of a kind share an otid, parts of one answer share an id', () => {
  const answer = new Answer(row())
  const said = [
    answer.reasoning('a'),
    answer.reasoning('b'),
    answer.text('c'),
    answer.call('1', 't', '{'),
    answer.call('1', 't', '}'),
  ]
  const otids = said.map((message) => message!.otid)
  expect(otids[0]).toBe(otids[1])
  expect(new Set(otids).size).toBe(3)
  expect(new Set(said.map((message) => message!.id)).size).toBe(1)
})

test('parallel calls that interleave are one message with each call whole', () => {
  const answer = new Answer(row())
  const folding = new Folding()
  for (const [id, args] of [
    ['1', '{"a"'],
    ['2', '{"b"'],
    ['1', ':1}'],
    ['2', ':2}'],
  ] as const) {
    folding.add(answer.call(id, `tool${id}`, args)!)
  }
  expect(folding.result().messages).toMatchObject([
    {
      message_type: 'tool_call_message',
      tool_call: { tool_call_id: '1', name: 'tool1', arguments: '{"a":1}' },
      tool_calls: [
        { tool_call_id: '1', arguments: '{"a":1}' },
        { tool_call_id: '2', arguments: '{"b":2}' },
      ],
    },
  ])
})

test('whole messages pass the merge unchanged', () => {
  const messages = expand({ ...row(), parts: [{ type: 'text', text: 'hello' }] })
  const folding = new Folding()
  for (const message of messages) folding.add(message)
  expect(folding.result().messages).toEqual(messages)
})
