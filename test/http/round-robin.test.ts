import { expect, test } from 'vitest'
import type { ScriptedRequest } from '../support/scripted-provider.ts'
import { startServer } from '../support/server.ts'
import { allEvents, spoken, words } from './events.ts'

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
interface Answer {
  messages: { name: string; content: string; sender_id: string }[]
  stop_reason: { stop_reason: string }
}
const speakers = ({ messages }: Answer) => messages.map(({ name }) => name).join(' ')

test.each([
  [1, 'Ann', 'max_steps'],
  [2, 'Ann Bob', 'max_steps'],
  [3, 'Ann Bob Cyd', 'end_turn'],
  [4, 'Ann Bob Cyd', 'end_turn'],
])('with max_steps %i speak %s: %s', async (max_steps, said, stop) => {
  const { api } = await startServer()
  const { id } = await api.group(['Ann', 'Bob', 'Cyd'])
  const answer = await api.post<Answer>(`/v1/groups/${id}/messages`, { ...hi, max_steps })
  expect(speakers(answer)).toBe(said)
  expect(answer).toMatchObject({ stop_reason: { stop_reason: stop }, usage: { step_count: Math.min(max_steps, 3) } })
  const given = await allEvents(await api.stream(`/v1/groups/${id}/messages/stream`, { ...hi, max_steps }))
  expect(words(given).slice(-3)).toEqual([`stop_reason ${stop}`, 'usage_statistics', '[DONE]'])
  expect(await api.get('/v1/runs/?limit=1')).toMatchObject([{ status: 'completed', stop_reason: stop }])
})

test('F46 max_steps counts the calls of a tool, too', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent({ include_base_tools: true })
  llm.script(() => ({ toolCalls: [{ name: 'memory_insert', arguments: '{}' }] }))
  const answer = await api.post<Answer>(`/v1/agents/${id}/messages`, { ...hi, max_steps: 3 })
  expect(answer).toMatchObject({ stop_reason: { stop_reason: 'max_steps' }, usage: { step_count: 3 } })
})

test('max_turns goes around, and a new order holds from the next request on', async () => {
  const { api } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob', 'Cyd'], {
    manager_config: { manager_type: 'round_robin', max_turns: 5 },
  })
  const send = async () => speakers(await api.post<Answer>(`/v1/groups/${id}/messages`, hi))
  expect(await send()).toBe('Ann Bob Cyd Ann Bob')
  await api.patch(`/v1/groups/${id}`, { agent_ids: agent_ids.toReversed() })
  expect(await send()).toBe('Cyd Bob Ann Cyd Bob')
  await api.patch(`/v1/groups/${id}`, { manager_config: { manager_type: 'round_robin', max_turns: null } })
  expect(await send()).toBe('Cyd Bob Ann')
})

test('a member that is in the order twice takes two turns', async () => {
  const { api } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  await api.patch(`/v1/groups/${id}`, { agent_ids: [...agent_ids, agent_ids[0]] })
  expect(speakers(await api.post<Answer>(`/v1/groups/${id}/messages`, hi))).toBe('Ann Bob Ann')
})

test('every frame says whose it is, by name and by id', async () => {
  const { api, llm } = await startServer()
  const { id, agent_ids } = await api.group(['Ann', 'Bob'])
  llm.script((_body, n) => ({ reasoning: 'Hm.', text: `${n}` }))
  const given = await allEvents(await api.stream(`/v1/groups/${id}/messages/stream`, { ...hi, stream_tokens: true }))
  const said = given.filter(({ data }) => data.id?.startsWith('message-'))
  expect(said.map(({ data }) => `${data.name} ${data.sender_id}`)).toEqual([
    `Ann ${agent_ids[0]}`,
    `Ann ${agent_ids[0]}`,
    `Bob ${agent_ids[1]}`,
    `Bob ${agent_ids[1]}`,
  ])
  expect(spoken(given)).toEqual(['Ann: 1', 'Bob: 2'])
})

/** What a model was shown beside its system prompt, one line for each line of text. */
const heard = ({ body }: ScriptedRequest): string[] =>
  body.messages
    .slice(1)
    .flatMap(({ role, content }: { role: string; content: string }) => content.split('\n').map((line) => `${role}: ${line}`))

test('a member hears all that the others said, with their names, and itself once; one that was silent has heard it, too', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.group(['Ann', 'Bob', 'Cyd'])
  llm.script((_body, n) => ({ text: `Line ${n}.` }))
  await api.post(`/v1/groups/${id}/messages`, { ...hi, max_steps: 2 })
  await api.post(`/v1/groups/${id}/messages`, { messages: [{ role: 'user', content: 'Go on' }] })
  const [ann, bob, annAgain, bobAgain, cyd] = llm.requests.map(heard)
  expect(ann).toEqual(['user: Hi'])
  expect(bob).toEqual(['user: Hi', 'user: Ann: Line 1.'])
  expect(annAgain).toEqual(['user: Hi', 'assistant: Line 1.', 'user: Bob: Line 2.', 'user: Go on'])
  expect(bobAgain).toEqual(['user: Hi', 'user: Ann: Line 1.', 'assistant: Line 2.', 'user: Go on', 'user: Ann: Line 3.'])
  expect(cyd).toEqual([
    'user: Hi',
    'user: Ann: Line 1.',
    'user: Bob: Line 2.',
    'user: Go on',
    'user: Ann: Line 3.',
    'user: Bob: Line 4.',
  ])
  const note = llm.requests[1]!.body.messages[0].content
  expect(note).toContain('You are Bob, in a conversation with Ann, Cyd and one user')
})

test('what a member is told by a tool stays with it; what it says by send_message is heard', async () => {
  const { api, llm } = await startServer()
  const [ann, bob] = await Promise.all([
    api.agent({
      name: 'Ann',
      agent_type: 'memgpt_v2_agent',
      include_base_tools: true,
      memory_blocks: [{ label: 'human', value: '' }],
    }),
    api.agent({ name: 'Bob' }),
  ])
  const { id } = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [ann.id, bob.id], description: '' })
  llm.script([
    { reasoning: 'A secret.', toolCalls: [{ name: 'memory_insert', arguments: '{"label":"human","new_string":"likes tea"}' }] },
    { toolCalls: [{ name: 'send_message', arguments: '{"message":"Tea, anyone?"}' }] },
    { text: 'Please.' },
  ])
  await api.post(`/v1/groups/${id}/messages`, hi)
  expect(heard(llm.requests[2]!)).toEqual(['user: Hi', 'user: Ann: Tea, anyone?'])
})
