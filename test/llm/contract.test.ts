import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProviderError } from '../../src/llm/errors.ts'
import { ChatChunks } from '../../src/llm/openai-chunks.ts'
import type { Delta } from '../../src/llm/provider.ts'
import { anthropic, collect, failing, folded, openAi, textOf } from './call.ts'

const sse = (...events: unknown[]) =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
const chunk = (delta: object, finish_reason: unknown = null, more: object = {}) => ({
  choices: [{ index: 0, delta, finish_reason }],
  ...more,
})
const call = (name: string, args: string) => ({ tool_calls: [{ index: 0, id: 'c', function: { name, arguments: args } }] })

/** What comes, what is made of it: the text and how it ended, or the kind of failure. */
const openAiTable: [string, unknown[], string][] = [
  ['nothing at all', [], 'connection'],
  ['only [DONE]', ['[DONE]'], 'connection'],
  ['a stop without a word', [chunk({}, 'stop'), '[DONE]'], 'empty'],
  ['only reasoning', [chunk({ reasoning: 'hm' }), chunk({}, 'stop'), '[DONE]'], 'stop'],
  ['two finals', [chunk({ content: 'x' }), chunk({}, 'stop'), chunk({}, 'stop'), '[DONE]'], 'x stop'],
  ['two finals that differ', [chunk({ content: 'x' }), chunk({}, 'stop'), chunk({}, 'length'), '[DONE]'], 'x length'],
  ['two [DONE]', [chunk({ content: 'x' }, 'stop'), '[DONE]', '[DONE]'], 'x stop'],
  ['no [DONE]', [chunk({ content: 'x' }, 'stop')], 'x stop'],
  ['unknown fields', [chunk({ content: 'x', mood: 'fine' }, 'stop', { service_tier: {}, extra: [1] }), '[DONE]'], 'x stop'],
  ['an unknown finish', [chunk({ content: 'x' }, 'bored'), '[DONE]'], 'x other'],
  ['a finish that is no word', [chunk({ content: 'x' }, { a: 1 }), '[DONE]'], 'x other'],
  ['ids that change', [chunk({ content: 'x' }, null, { id: 'a' }), chunk({}, 'stop', { id: 'b' }), '[DONE]'], 'x stop'],
  ['a call of a tool that nobody offered', [chunk(call('nowhere', '{}'), 'tool_calls'), '[DONE]'], 'nowhere({}) tool_calls'],
  ['a call cut off by a limit', [chunk(call('f', '{"a'), 'length'), '[DONE]'], 'f({"a) length'],
  ['calls that are null', [chunk({ content: 'x', tool_calls: [null] }, 'stop'), '[DONE]'], 'x stop'],
  ['parts that are null', [chunk({ content: [null, { text: 'x' }, 5] }, 'stop'), '[DONE]'], 'x stop'],
  ['a name that is a number', [chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: 5 } }] }, 'stop')], 'malformed'],
  ['choices that are a text', [{ choices: 'x' }, chunk({ content: 'x' }, 'stop'), '[DONE]'], 'x stop'],
  ['usage that is a text', [chunk({ content: 'x' }, 'stop', { usage: 'much' }), '[DONE]'], 'x stop'],
]

test.each(openAiTable)('F44 OpenAI: %s', async (_, events, expected) => {
  const { llm, provider } = await openAi({ retry: { backoffMs: [] } })
  llm.script([{ raw: sse(...events) }])
  if (/^[a-z]+$/.test(expected) && expected !== 'stop') {
    expect((await failing(provider)).error).toMatchObject({ kind: expected })
    return
  }
  const deltas = await collect(provider)
  const said = folded(deltas).flatMap((delta) => {
    if (delta.type === 'tool_call') return `${delta.name}(${delta.arguments})`
    if (delta.type === 'finish') return delta.reason
    return delta.type === 'text' ? delta.text : []
  })
  expect(said.join(' ')).toBe(expected)
})

const event = (type: string, fields: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const begin = event('message_start', {
  message: { id: 'm', role: 'assistant', model: 'x', content: [], usage: { input_tokens: 1 } },
})
const said = (text: string) =>
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } }) +
  event('content_block_stop', { index: 0 })
const end = (stop_reason: unknown = 'end_turn') =>
  event('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 1 } }) + event('message_stop')

const anthropicTable: [string, string[], string][] = [
  ['nothing at all', [], 'connection'],
  ['a stop without a word', [begin, end()], 'empty'],
  ['two finals', [begin, said('x'), end(), end()], 'x stop'],
  ['an unknown finish', [begin, said('x'), end('bored')], 'x other'],
  ['no message_stop', [begin, said('x')], 'connection'],
  ['garbage', [begin, 'data: {"type"\n\n'], 'malformed'],
  [
    'a delta of a block that never began',
    [begin, event('content_block_delta', { index: 7, delta: { type: 'text_delta', text: 'x' } }), end()],
    'x stop',
  ],
]

test.each(anthropicTable)('F44 Anthropic: %s', async (_, raw, expected) => {
  const { llm, provider } = await anthropic({ retry: { backoffMs: [] } })
  llm.script([{ raw }])
  if (/^[a-z]+$/.test(expected)) {
    expect((await failing(provider)).error).toMatchObject({ kind: expected })
    return
  }
  const deltas = await collect(provider)
  const finishes = deltas.flatMap((delta) => (delta.type === 'finish' ? delta.reason : []))
  expect(`${textOf(deltas)} ${finishes.join()}`).toBe(expected)
})

const origin = { name: 'openai', endpoint: 'http://127.0.0.1/v1' }
const isText = (value: unknown) => typeof value === 'string'
const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0

/** Of the types that Delta says they are. */
function isWell(delta: Delta): boolean {
  switch (delta.type) {
    case 'text':
    case 'reasoning':
      return isText(delta.text)
    case 'tool_call':
      return [delta.id, delta.name, delta.arguments].every(isText) && delta.id !== '' && delta.name !== ''
    case 'finish': {
      const { promptTokens, completionTokens, totalTokens, ...maybe } = delta.usage
      return (
        [promptTokens, completionTokens, totalTokens].every(isCount) &&
        Object.values(maybe).every((n) => n === null || isCount(n))
      )
    }
    default:
      return true
  }
}

test('F44 OpenAI: whatever stands where, deltas are what they are said to be, and a failure is one of the provider', () => {
  const any = fc.jsonValue({ maxDepth: 1 })
  const or = <T>(usual: fc.Arbitrary<T>) => fc.oneof({ arbitrary: usual, weight: 4 }, { arbitrary: any, weight: 1 })
  const fragmentOf = or(
    fc.record({ name: or(fc.constantFrom('f', '')), arguments: or(fc.constantFrom('{', '}', '')) }, { requiredKeys: [] }),
  )
  const callOf = or(
    fc.record({ index: or(fc.nat(2)), id: or(fc.constantFrom('a', 'b', '')), function: fragmentOf }, { requiredKeys: [] }),
  )
  const delta = or(
    fc.record(
      {
        content: or(fc.string()),
        reasoning: or(fc.string()),
        refusal: any,
        tool_calls: or(fc.array(callOf, { maxLength: 3 })),
      },
      { requiredKeys: [] },
    ),
  )
  const choice = or(
    fc.record({ index: or(fc.constant(0)), delta, finish_reason: or(fc.constantFrom('stop', null)) }, { requiredKeys: [] }),
  )
  const counts = fc.record(
    { prompt_tokens: any, total_tokens: any, prompt_tokens_details: any, completion_tokens_details: any },
    { requiredKeys: [] },
  )
  const chunks = fc.array(fc.record({ choices: or(fc.tuple(choice)), usage: or(counts) }, { requiredKeys: [] }), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(chunks, (given) => {
      const reader = new ChatChunks(origin, { hidesReasoning: false, maySayNothing: false })
      const deltas: Delta[] = []
      try {
        for (const one of given) reader.read(JSON.stringify(one), deltas)
        reader.end(deltas)
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderError)
      }
      expect(deltas.filter((one) => !isWell(one))).toEqual([])
    }),
    { numRuns: 2000 },
  )
})

test('F47 a chunk that comes twice is one call of a tool where its number and id say so, and one end', async () => {
  const { llm, provider } = await openAi()
  const begun = chunk(call('f', ''))
  llm.script([{ raw: sse(begun, begun, chunk(call('f', '{}')), chunk({}, 'tool_calls'), chunk({}, 'tool_calls'), '[DONE]') }])
  expect(folded(await collect(provider))).toMatchObject([
    { type: 'tool_call', id: 'c', name: 'f', arguments: '{}' },
    { type: 'finish', reason: 'tool_calls' },
  ])
})

test('F47 an answer under an id that was used before is a new answer', async () => {
  const { llm, provider } = await openAi()
  const answer = (content: string) => ({ raw: sse(chunk({ content }, 'stop', { id: 'chatcmpl-1' }), '[DONE]') })
  llm.script([answer('one'), answer('two')])
  expect([textOf(await collect(provider)), textOf(await collect(provider))]).toEqual(['one', 'two'])
})
