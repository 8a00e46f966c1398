import type { MessageRow, Part, Speaker } from '../db/store.ts'
import type { AssistantPart, PromptMessage, ToolResult, UserPart } from '../llm/provider.ts'
import { LINE_NUMBER_BANNER } from '../tools/memory-edit.ts'
import { describeRules } from '../tools/rule-text.ts'
import { newId } from '../wire/id.ts'

/** A new agent's first message: its compiled system prompt. */
export function systemRow(agent: Speaker, archived = 0): MessageRow {
  return {
    id: newId('message'),
    agentId: agent.id,
    groupId: null,
    runId: null,
    stepId: null,
    role: 'system',
    parts: [{ type: 'text', text: compileSystem(agent, archived) }],
    name: null,
    senderId: null,
    otid: null,
    isErr: false,
    date: Date.now(),
    heard: false,
  }
}

/**
 * The agent's prompt with its memory in it (groups.md §5.3). It depends on the agent alone, with no clock in it: the same
 * memory gives the same text, so a provider's prompt cache keeps hitting.
 */
function compileSystem(agent: Speaker, archived: number): string {
  const { id, system, blocks, agent_type, tool_rules, tools } = agent
  const memory = agent_type === 'react_agent' || agent_type === 'workflow_agent' ? '' : memoryText(blocks, isNumbered(agent))
  const metadata = [
    `- AGENT_ID: ${id}`,
    '- CONVERSATION_ID: default',
    ...(archived > 0 ? [`- ARCHIVED_PASSAGES: ${archived}`] : []),
  ]
  const whole = system.includes('{CORE_MEMORY}') ? system.replace('{CORE_MEMORY}', () => memory) : `${system}\n\n${memory}`
  const rules = describeRules(
    tool_rules,
    tools.flatMap(({ name }) => name ?? []),
  )
  return [whole.trim(), rules, `<memory_metadata>\n${metadata.join('\n')}\n</memory_metadata>`].filter(Boolean).join('\n\n')
}

/** Those who edit by whole lines see them numbered; of the default type only on models that are known to cope with it. */
const isNumbered = ({ agent_type, llm_config }: Speaker) =>
  agent_type === 'sleeptime_agent' ||
  agent_type === 'memgpt_v2_agent' ||
  (agent_type === 'letta_v1_agent' && llm_config.model_endpoint_type === 'anthropic')

function memoryText(blocks: Speaker['blocks'], numbered: boolean): string {
  if (blocks.length === 0) return ''
  const lines = (value: string) =>
    value
      .split('\n')
      .map((line, index) => `${index + 1}→ ${line}`)
      .join('\n')
  const shown = blocks.map(({ label, description, value, limit, read_only }) =>
    [
      `<${label}>`,
      ...(description ? [`<description>\n${description}\n</description>`] : []),
      '<metadata>',
      ...(read_only ? ['- read_only=true'] : []),
      `- chars_current=${value.length}`,
      `- chars_limit=${limit}`,
      '</metadata>',
      ...(numbered ? [`<warning>\n${LINE_NUMBER_BANNER}\n</warning>`] : []),
      `<value>\n${numbered ? lines(value) : value}\n</value>`,
      `</${label}>`,
    ].join('\n'),
  )
  return `<memory_blocks>\nThis is your memory. It is always in view; change it with your memory tools.\n\n${shown.join('\n\n')}\n\n</memory_blocks>`
}

/** Who else is there and how to talk; said with each request, stored nowhere (design §5 row 16). */
export function groupNote(name: string, others: string[], description: string): string {
  const company = others.length === 0 ? 'one user' : `${others.join(', ')} and one user`
  return [
    '<group_chat>',
    `You are ${name}, in a conversation with ${company}. All of them read what you say.`,
    ...(description ? [`What it is about: ${description}`] : []),
    'What the others said comes with their name in front. Speak for yourself only and do not put your own name in front.',
    'Be brief, stay in character, build on what was said, and answer when you are asked.',
    '</group_chat>',
  ].join('\n')
}

/** Skills that the caller has, told to the model (streaming.md §2.1). */
export function skillsNote(skills: { name: string; description: string; location: string }[]): string {
  if (skills.length === 0) return ''
  const lines = skills.map(({ name, description, location }) => `- ${name} (${location}): ${description}`)
  return ['<available_skills>', ...lines, '</available_skills>'].join('\n')
}

/**
 * History as a provider takes it: roles alternate, and every call is followed by its result, wherever that is stored. A result
 * that is missing is marked as an error, one without a call is left out (design §5 row 27): history that a crash or an import
 * tore never bricks an agent.
 */
export function promptMessages(rows: MessageRow[]): PromptMessage[] {
  const prompt: PromptMessage[] = []
  const taken = new Set<Part>()
  let open: { id: string; name: string }[] = []
  for (const [index, row] of rows.entries()) {
    if (row.role === 'assistant' || row.role === 'approval') {
      const content = row.parts.flatMap(assistantPart)
      if (content.length > 0) addAssistant(prompt, content)
      open.push(...content.filter((part) => part.type === 'tool_call'))
      // What waits for leave belongs to the answer that it came with.
      if (open.length > 0 && !asksFor(rows[index + 1])) {
        const results = open.map((call) => resultOf(call, rows, index + 1, taken))
        prompt.push({ role: 'tool', results })
        open = []
      }
    } else if (row.role !== 'tool') addUser(prompt, userParts(row))
  }
  // A model answers somebody: after its own words it is told that it may go on.
  if (prompt.at(-1)?.role !== 'user' && prompt.at(-1)?.role !== 'tool') {
    addUser(prompt, [{ type: 'text', text: '[It is your turn to speak.]' }])
  }
  return prompt
}

const asksFor = (row: MessageRow | undefined) => row?.role === 'approval' && row.parts.some(({ type }) => type === 'tool_call')

function addAssistant(prompt: PromptMessage[], content: AssistantPart[]) {
  const last = prompt.at(-1)
  if (last?.role === 'assistant') last.content.push(...content)
  else prompt.push({ role: 'assistant', content })
}

/** The first result with the call's id from `from` on that no earlier call has taken: providers use ids again. */
function resultOf({ id, name }: { id: string; name: string }, rows: MessageRow[], from: number, taken: Set<Part>): ToolResult {
  for (const row of rows.slice(from)) {
    for (const part of row.parts) {
      if (part.type === 'tool_call' && part.id === id) return noResult(id, name)
      if (part.type !== 'tool_return' || part.tool_call_id !== id || taken.has(part)) continue
      taken.add(part)
      return { id, name, text: part.content, isError: part.is_error }
    }
  }
  return noResult(id, name)
}

const noResult = (id: string, name: string): ToolResult => ({
  id,
  name,
  text: 'No result: the tool was interrupted.',
  isError: true,
})

function addUser(prompt: PromptMessage[], content: UserPart[]) {
  const last = prompt.at(-1)
  if (last?.role === 'user') last.content.push(...content)
  else if (content.length > 0) prompt.push({ role: 'user', content })
}

/** Not every provider has a place for who is speaking, so the text says it (groups.md G-17). */
function userParts(row: MessageRow): UserPart[] {
  const speaker = row.name ? `${row.name}: ` : row.role === 'system' ? '[System] ' : ''
  const parts = row.parts.flatMap(userPart)
  const text = parts.find((part) => part.type === 'text')
  if (text) text.text = speaker + text.text
  return parts
}

function userPart(part: Part): UserPart[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }]
  if (part.type !== 'image') return []
  const { source } = part
  const data = source.type === 'url' ? /^data:([^;,]+);base64,(.*)$/s.exec(source.url) : undefined
  if (data) return [{ type: 'image', mediaType: data[1]!, data: data[2]! }]
  if (source.type !== 'url' && source.data) {
    return [
      {
        type: 'image',
        mediaType: source.media_type ?? 'image/png',
        data: source.data,
        ...(source.detail && { detail: source.detail }),
      },
    ]
  }
  return [{ type: 'text', text: source.type === 'url' ? `[Image: ${source.url}]` : '[Image]' }]
}

function assistantPart(part: Part): AssistantPart[] {
  const signature = 'signature' in part && part.signature ? { signature: part.signature } : {}
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text, ...signature }]
    case 'reasoning':
      return [{ type: 'reasoning', text: part.reasoning, ...signature }]
    case 'redacted_reasoning':
      return [{ type: 'redacted_reasoning', data: part.data }]
    case 'tool_call':
      return [{ type: 'tool_call', id: part.id, name: part.name, arguments: part.arguments, ...signature }]
    default:
      return []
  }
}
