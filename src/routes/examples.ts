/** Bodies that the API's description shows. */
export const createAgent = {
  name: 'ana',
  model: 'openai/gpt-4o-mini',
  memory_blocks: [{ label: 'persona', value: 'You are Ana, an optimist with a love for the sea.' }],
}

export const updateAgent = { description: 'Knows every ferry', tags: ['travel'] }

export const createBlock = { label: 'plan', value: 'We meet on Saturday.' }

export const createGroup = {
  agent_ids: ['agent-4f1c7c1a-3a52-4c1e-9d43-0b6f0f2f6a11', 'agent-0d2f9b7e-6a57-4b8c-8a55-5d0a3b1f7c22'],
  description: 'Planning a weekend',
  manager_config: { manager_type: 'round_robin', max_turns: 4 },
}

export const send = { input: 'Where shall we go for a weekend?' }

export const stream = { messages: [{ role: 'user', content: 'Where shall we go?' }], stream_tokens: true }

export const converse = { ...send, agent_id: createGroup.agent_ids[0], streaming: false }

export const patchMessage = { message_type: 'user_message', content: 'Where shall we go for a week?' }

export const createTool = {
  source_type: 'typescript',
  source_code: 'export function add(a: number, b: number) { return a + b }',
  json_schema: {
    name: 'add',
    description: 'Adds two numbers.',
    parameters: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] },
  },
}

export const runSource = { ...createTool, args: { a: 1, b: 2 } }

export const chat = { model: 'ana', messages: [{ role: 'user', content: 'Where shall we go?' }], stream: true }
