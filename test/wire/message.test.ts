import { expect, test } from 'vitest'
import { Frame, LettaMessage, MessagePatch, wireDate, isoDate, type MessageHead } from '../../src/wire/message.ts'
import { LettaResponse } from '../../src/wire/response.ts'
import { UsageStatistics } from '../../src/wire/usage.ts'
import { contract } from '../support/contract.ts'

const head = (message_type: string) => ({
  id: 'message-1',
  date: wireDate(1_735_689_600_789),
  name: 'Ann',
  message_type,
  otid: 'o',
  sender_id: 'agent-1',
  step_id: 'step-1',
  is_err: null,
  seq_id: 3,
  run_id: 'run-1',
})
const call = { name: 'roll', arguments: '{"sides":6}', tool_call_id: 'call_1' }
const returned = { tool_return: '4', status: 'success', tool_call_id: 'call_1', stdout: null, stderr: ['e'] }
const stats = {
  trigger: 'post_step_context_check',
  context_tokens_before: 9,
  context_tokens_after: null,
  context_window: 10,
  messages_count_before: 4,
  messages_count_after: 2,
}

const messages = [
  { ...head('system_message'), content: 'x' },
  { ...head('user_message'), content: 'x' },
  {
    ...head('user_message'),
    content: [
      { type: 'text', text: 'x', signature: null },
      { type: 'image', source: { type: 'url', url: 'u' } },
    ],
  },
  { ...head('reasoning_message'), source: 'reasoner_model', reasoning: 'x', signature: null },
  { ...head('hidden_reasoning_message'), state: 'omitted', hidden_reasoning: null },
  { ...head('tool_call_message'), tool_call: call, tool_calls: [call] },
  { ...head('tool_call_message'), tool_call: { tool_call_id: 'call_1' }, tool_calls: { tool_call_id: 'call_1' } },
  { ...head('tool_return_message'), ...returned, tool_returns: [{ type: 'tool', ...returned }] },
  { ...head('assistant_message'), content: 'x' },
  { ...head('assistant_message'), content: [{ type: 'text', text: 'x' }] },
  { ...head('approval_request_message'), tool_call: call, tool_calls: [call] },
  {
    ...head('approval_response_message'),
    approvals: [
      { type: 'approval', tool_call_id: 'call_1', approve: true, reason: null },
      { type: 'tool', ...returned },
    ],
    approve: true,
    approval_request_id: 'call_1',
    reason: null,
  },
  { ...head('summary_message'), summary: 'x', compaction_stats: stats },
  { ...head('event_message'), event_type: 'compaction', event_data: { trigger: 'x' } },
]

const usage = UsageStatistics.parse({})
const marks = [
  head('ping'),
  { message_type: 'stop_reason', stop_reason: 'end_turn', run_id: 'run-1', seq_id: 4 },
  { ...usage, run_id: 'run-1', seq_id: 5 },
  { message_type: 'error_message', run_id: 'run-1', error_type: 'llm_error', message: 'x', detail: 'y', seq_id: 6 },
]

test.each(messages)('a $message_type goes out unchanged, its fields in order, as the contract says', (message) => {
  const parsed = LettaMessage.parse(message)
  expect(parsed).toEqual(message)
  expect(Object.keys(parsed).slice(0, 10)).toEqual(Object.keys(head('')))
  expect(contract()?.validateSchema('LettaMessageUnion', parsed) ?? []).toEqual([])
})

test.each([...messages, ...marks])('a $message_type is a frame', (frame) => {
  expect(Frame.parse(frame)).toEqual(frame)
})

// The contract has no compaction frames in its streams.
const streamed = [...messages.filter((message) => !/^(summary|event)_/.test(message.message_type)), ...marks]

test.each(streamed)('a $message_type streams as the contract says', (frame) => {
  expect(contract()?.validateSchema('LettaStreamingResponse', frame) ?? []).toEqual([])
})

test('a message that lacks a common field is not one', () => {
  for (const field of Object.keys(head(''))) {
    expect(LettaMessage.safeParse({ ...head('system_message'), content: 'x', [field]: undefined }).success).toBe(false)
  }
  const common: MessageHead = head('ping')
  expect(common).toBeDefined()
})

test('the seed page’s response can be said', () => {
  const seed = {
    messages: [{ ...head('system_message'), content: 'content', date: '2019-12-27T18:11:19.117Z', is_err: true, seq_id: 0 }],
    stop_reason: { stop_reason: 'end_turn', message_type: 'stop_reason' },
    usage: {
      completion_tokens: 0,
      message_type: 'usage_statistics',
      prompt_tokens: 0,
      run_ids: ['string'],
      step_count: 0,
      total_tokens: 0,
    },
  }
  const response = LettaResponse.parse(seed)
  expect(response).toMatchObject(seed)
  const path = '/v1/groups/group-123e4567-e89b-42d3-8456-426614174000/messages'
  expect(contract()?.validate('POST', path, 200, response) ?? []).toEqual([])
})

test('the usage of a whole answer has ten fields', () => {
  expect(Object.keys(usage)).toHaveLength(10)
})

test('dates', () => {
  expect(wireDate(1_735_689_600_789)).toBe('2025-01-01T00:00:00+00:00')
  expect(isoDate(1_735_689_600_789)).toBe('2025-01-01T00:00:00.789Z')
})

const patch = (given: unknown) => MessagePatch.safeParse(given).success

test('a patch names the message type and fits it', () => {
  expect(patch({ message_type: 'system_message', content: 'x' })).toBe(true)
  expect(patch({ message_type: 'user_message', content: [{ text: 'x' }, { source: { url: 'u' } }] })).toBe(true)
  expect(patch({ message_type: 'assistant_message', content: [{ text: 'x' }] })).toBe(true)
  expect(patch({ message_type: 'assistant_message', content: [{ source: { url: 'u' } }] })).toBe(false)
  expect(patch({ message_type: 'reasoning_message', reasoning: 'x' })).toBe(true)
  expect(patch({ message_type: 'tool_call_message', content: 'x' })).toBe(false)
})
