import { expect, test } from 'vitest'
import { z } from 'zod'
import { newId } from '../../src/wire/id.ts'
import { ResumeRequest, SendRequest } from '../../src/wire/request.ts'

const refusal = (body: unknown) =>
  SendRequest.safeParse(body)
    .error?.issues.map((issue) => issue.message)
    .join()
const firstInput = (...messages: unknown[]) => SendRequest.parse({ messages }).messages[0]

test('input is one user message', () => {
  const { messages, ...rest } = SendRequest.parse({ input: 'Hello' })
  expect(messages).toEqual([{ type: 'message', role: 'user', content: 'Hello' }])
  expect(rest).not.toHaveProperty('input')
})

test('exactly one of input and messages', () => {
  const messages = [{ role: 'user', content: 'Hello' }]
  expect(refusal({ input: 'Hello', messages })).toContain('Cannot specify both')
  expect(refusal({})).toContain('Must specify either')
  expect(refusal({ input: null, messages: null })).toContain('Must specify either')
  expect(refusal({ input: null, messages })).toBeUndefined()
  expect(refusal({ messages: [] })).toBe('Messages must not be empty')
})

test('content is never empty, and a bad part is named', () => {
  for (const content of ['', [], null, 7]) {
    expect(refusal({ messages: [{ role: 'user', content }] })).toBe('Message content is empty or invalid')
  }
  expect(refusal({ input: [{ text: 'fine' }, { text: 1 }] })).toContain('Message content is empty or invalid (1.text')
  expect(refusal({ input: [{ unheard: 'of' }] })).toContain('Message content is empty or invalid (0.type')
})

test('defaults, what is ignored and what is null', () => {
  expect(SendRequest.parse({ input: 'Hello', unheard: 'of' })).toEqual({
    messages: [expect.anything()],
    on_busy: 'reject',
    streaming: false,
    stream_tokens: false,
    include_pings: true,
    background: false,
    max_steps: 50,
    include_return_message_types: null,
    include_compaction_messages: false,
    return_logprobs: false,
    return_token_ids: false,
    use_assistant_message: true,
    assistant_message_tool_name: 'send_message',
    assistant_message_tool_kwarg: 'message',
  })
  const nulls = { client_tools: null, client_skills: null, override_model: null, override_system: null, top_logprobs: null }
  expect(refusal({ input: 'Hello', ...nulls, include_return_message_types: null })).toBeUndefined()
  for (const thinking of [true, 'yes', { budget: 1 }, null]) {
    expect(refusal({ input: 'Hello', enable_thinking: thinking })).toBeUndefined()
  }
  for (const steps of [0, -1, 1.5, '3']) expect(refusal({ input: 'Hello', max_steps: steps })).toBeDefined()
})

test('`system` is another name of override_system', () => {
  expect(SendRequest.parse({ input: 'Hello', system: 'Be brief' }).override_system).toBe('Be brief')
  expect(SendRequest.parse({ input: 'Hello', system: 'a', override_system: 'b' }).override_system).toBe('b')
})

const types = (given: unknown) =>
  SendRequest.parse({ input: 'x', include_return_message_types: given }).include_return_message_types

test('a filter takes both spellings, and empty means everything', () => {
  expect(types(['summary', 'event', 'event_message', 'assistant_message'])).toEqual([
    'summary_message',
    'event_message',
    'event_message',
    'assistant_message',
  ])
  expect(types([])).toBeNull()
  expect(refusal({ input: 'x', include_return_message_types: ['ping'] })).toBeDefined()
})

test('an input without a type is what its fields say', () => {
  const returned = { tool_call_id: 'call_1', tool_return: '4', status: 'success' }
  const tool = { type: 'tool', ...returned, stdout: null, stderr: null }
  const approval = { type: 'approval', tool_call_id: 'call_1', approve: false, reason: null }
  expect(firstInput({ role: 'user', content: 'x' })).toMatchObject({ type: 'message', role: 'user' })
  expect(firstInput({ type: null, role: 'user', content: 'x' })).toMatchObject({ type: 'message', role: 'user' })
  expect(firstInput({ tool_returns: [returned] })).toMatchObject({ type: 'tool_return', tool_returns: [tool] })
  expect(firstInput({ approvals: [{ tool_call_id: 'call_1', approve: false }, returned] })).toMatchObject({
    type: 'approval',
    approvals: [approval, tool],
  })
  expect(firstInput({ approve: false, approval_request_id: 'message-1', reason: 'too much' })).toEqual({
    type: 'approval',
    approvals: [{ type: 'approval', tool_call_id: 'message-1', approve: false, reason: 'too much' }],
  })
  expect(refusal({ messages: [{ approve: true }] })).toContain('give approvals')
})

test('a given otid is kept', () => {
  expect(firstInput({ role: 'user', content: 'x', otid: 'mine' })).toMatchObject({ otid: 'mine' })
})

test.each([
  [{ text: 'Hello', signature: 'sig' }, 'text'],
  [{ source: { url: 'https://example.org/a.png' } }, 'image'],
  [{ source: { data: 'AAAA', media_type: 'image/png', detail: 'low' } }, 'image'],
  [{ source: { file_id: 'file-1', data: 'AAAA', detail: 'auto', media_type: 'image/png' } }, 'image'],
  [{ id: 'call_1', input: { sides: 6 }, name: 'roll', signature: 'sig' }, 'tool_call'],
  [{ content: '4', is_error: false, tool_call_id: 'call_1' }, 'tool_return'],
  [{ is_native: true, reasoning: 'Hm', signature: 'sig' }, 'reasoning'],
  [{ data: 'opaque' }, 'redacted_reasoning'],
  [{ signature: 'sig' }, 'omitted_reasoning'],
  [{ id: 'rs_1', summary: [{ index: 0, text: 'Hm' }], encrypted_content: 'opaque' }, 'summarized_reasoning'],
])('the seed page’s part %j is of type %s, said or not, in input and in messages', (part, type) => {
  for (const given of [part, { ...part, type }]) {
    const expected = [{ ...part, type }]
    expect(SendRequest.parse({ input: [given] }).messages[0]).toMatchObject({ content: expected })
    expect(firstInput({ role: 'assistant', content: [given] })).toMatchObject({ content: expected })
  }
})

test('every field of the seed page’s inputs is taken', () => {
  const group_id = newId('group')
  const body = {
    assistant_message_tool_kwarg: 'message',
    assistant_message_tool_name: 'send_message',
    enable_thinking: 'true',
    include_return_message_types: ['system_message', 'approval_response_message'],
    max_steps: 3,
    use_assistant_message: false,
    messages: [
      {
        type: 'message',
        role: 'system',
        content: 'x',
        batch_item_id: 'b',
        group_id,
        name: 'Ann',
        otid: 'o',
        sender_id: 'identity-1',
      },
      {
        type: 'approval',
        approvals: [
          { type: 'approval', approve: true, tool_call_id: 'call_1', reason: 'fine' },
          { type: 'tool', status: 'error', tool_call_id: 'call_2', tool_return: 'no', stderr: ['e'], stdout: ['o'] },
        ],
        group_id,
        otid: 'p',
      },
      { type: 'approval', approval_request_id: 'message-1', approve: true, reason: 'fine', group_id },
    ],
  }
  const { messages, ...rest } = SendRequest.parse(body)
  expect(rest).toMatchObject({ max_steps: 3, use_assistant_message: false, enable_thinking: 'true' })
  expect(messages.slice(0, 2)).toEqual(body.messages.slice(0, 2))
  expect(messages[2]).toMatchObject({ type: 'approval', group_id, approvals: [{ tool_call_id: 'message-1', approve: true }] })
})

test('a resume may say nothing, and polls nothing', () => {
  expect(ResumeRequest.parse({})).toEqual({ include_pings: true })
  expect(ResumeRequest.parse({ starting_after: 7, include_pings: null, poll_interval: 0.1, batch_size: 1 })).toMatchObject({
    starting_after: 7,
    include_pings: true,
  })
  expect(ResumeRequest.safeParse({ starting_after: -1 }).success).toBe(false)
})

test('the body has a JSON schema', () => {
  expect(z.toJSONSchema(SendRequest, { io: 'input' })).toMatchObject({ type: 'object' })
})
