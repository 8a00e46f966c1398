import type { CallPart, MessageRow, Recorded, Usage } from '../db/store.ts'
import type { Delta, FinishReason, ToolSpec } from '../llm/provider.ts'
import { Answer } from '../stream/answer.ts'
import { expand } from '../stream/expand.ts'
import { builtinTools } from '../tools/index.ts'
import { ToolError } from '../tools/tool.ts'
import type { AgentState } from '../wire/agent.ts'
import { newId } from '../wire/id.ts'
import type { LettaMessage } from '../wire/message.ts'
import type { StopReasonType } from '../wire/run.ts'
import type { StepOutcome } from './journal.ts'
import { compileSystem, promptMessages, systemRow } from './prompt.ts'
import type { Scene } from './scene.ts'
import type { MessageStream } from './stream.ts'

export interface StepOptions {
  agentId: string
  stepId: string
  /** Added to the system prompt of this request only. */
  note: string
  /** Who hears what is said, beside the user. */
  listeners: string[]
}

/**
 * One model call and the tools that it asked for (groups.md §5.7). Yields pieces as they come when tokens are asked for; else
 * the outcome holds the whole messages, and they are shown together with what is stored.
 *
 * @throws the signal's reason when the run is cancelled; a model's failure is in the outcome
 */
export async function* takeStep(scene: Scene, { agentId, stepId, note, listeners }: StepOptions): MessageStream<StepOutcome> {
  const { store, tenant, signal, admission } = scene
  const { stream_tokens: tokens, override_model, override_system } = admission.request
  const agent = await store.findAgent(tenant, agentId)
  const handle = override_model ?? agent.model ?? ''
  const { provider, model } = scene.providers.resolve(handle)
  const row = newRow(scene, agent, stepId, 'assistant')
  const answer = new Answer(row)
  const recorded: Recorded = {
    stop: null,
    said: [],
    model,
    handle,
    providerType: provider.type,
    endpoint: provider.endpoint,
    contextWindow: agent.llm_config.context_window,
    usage: nothingUsed,
  }
  let finish: FinishReason = 'other'
  try {
    const history = await currentContext(scene, agent)
    const calls = provider.stream({
      model,
      system: [override_system ?? compileSystem(agent), note].filter(Boolean).join('\n\n'),
      messages: promptMessages(history.slice(1)),
      tools: offeredTools(agent),
      toolChoice: 'auto',
      parallelToolCalls: agent.model_settings?.parallel_tool_calls ?? true,
      settings: agent.model_settings ?? {},
      signal,
    })
    for await (const deltas of calls) {
      const messages: LettaMessage[] = []
      for (const delta of deltas) {
        if (delta.type === 'finish') {
          finish = delta.reason
          recorded.usage = delta.usage
        } else {
          const message = take(answer, delta)
          if (message) messages.push(message)
        }
      }
      if (tokens && messages.length > 0) yield messages
    }
  } catch (failure) {
    signal.throwIfAborted()
    return { recorded, rows: [], messages: [], failure }
  }
  row.parts = answer.parts
  const rows = [row]
  const called = answer.parts.filter((part) => part.type === 'tool_call')
  if (called.length > 0) rows.push(await useTools(scene, agent, stepId, called))
  const said = utterances(rows)
  recorded.said = said.map(({ text }) => text)
  recorded.stop = stopAfter(agent, called, finish)
  return {
    recorded,
    rows: [...rows, ...said.flatMap((utterance) => listeners.map((listener) => heardRow(row, listener, utterance)))],
    messages: (tokens ? rows.slice(1) : rows).flatMap(expand),
  }
}

const nothingUsed: Usage = {
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
}

function take(answer: Answer, delta: Exclude<Delta, { type: 'finish' }>): LettaMessage | undefined {
  switch (delta.type) {
    case 'text':
      return answer.text(delta.text, delta.signature)
    case 'reasoning':
      return answer.reasoning(delta.text, delta.signature)
    case 'hidden_reasoning':
      return answer.hiddenReasoning(delta.state === 'redacted' ? delta.data : null)
    case 'tool_call':
      return answer.call(delta.id, delta.name, delta.arguments, delta.signature)
  }
}

/** The agent's context; its first row, the system prompt, is brought up to date when memory has changed since. */
async function currentContext({ store }: Scene, agent: AgentState): Promise<MessageRow[]> {
  const rows = await store.contextOf(agent.id)
  const [first] = rows
  const { parts } = systemRow(agent)
  if (first && JSON.stringify(first.parts) !== JSON.stringify(parts)) await store.setParts(first.id, parts)
  return rows
}

const offeredTools = (agent: AgentState): ToolSpec[] =>
  agent.tools.flatMap(({ name, description, json_schema }) =>
    name === null
      ? []
      : [
          {
            name,
            description: description ?? '',
            parameters: (json_schema?.['parameters'] as Record<string, unknown> | undefined) ?? {
              type: 'object',
              properties: {},
            },
          },
        ],
  )

/** Runs the calls, in order; whatever happens each has its return. */
async function useTools(scene: Scene, agent: AgentState, stepId: string, calls: CallPart[]): Promise<MessageRow> {
  const row = newRow(scene, agent, stepId, 'tool')
  row.name = calls[0]!.name
  for (const call of calls) {
    const { text, isError } = await useTool(scene, agent, call)
    row.parts.push({ type: 'tool_return', tool_call_id: call.id, content: text, is_error: isError })
  }
  return row
}

async function useTool({ store, tenant, signal }: Scene, agent: AgentState, call: CallPart) {
  const tool = agent.tools.some(({ name }) => name === call.name) ? builtinTools.get(call.name) : undefined
  if (!tool) return { text: 'Tool not found', isError: true }
  try {
    return { text: await tool.run(argumentsOf(call), { store, tenant, agent, signal }), isError: false }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof ToolError)) console.error(error)
    const reason = error instanceof ToolError ? error.message : 'it failed inside the server'
    return { text: `Error executing function ${call.name}: ${reason}`, isError: true }
  }
}

function argumentsOf({ arguments: text }: CallPart): Record<string, unknown> {
  let args: unknown
  try {
    args = JSON.parse(text === '' ? '{}' : text)
  } catch {
    throw new ToolError('The arguments are not valid JSON')
  }
  if (typeof args !== 'object' || args === null || Array.isArray(args))
    throw new ToolError('The arguments must be a JSON object')
  return args as Record<string, unknown>
}

/** Without a call the turn is over; after one it goes on, but for a tool that a rule made the last (groups.md §5.7.6). */
function stopAfter(agent: AgentState, calls: CallPart[], finish: FinishReason): StopReasonType | null {
  if (calls.length === 0) return finish === 'length' ? 'max_tokens_exceeded' : 'end_turn'
  const last = agent.tool_rules?.some((rule) => rule.type === 'exit_loop' && calls.some(({ name }) => name === rule.tool_name))
  return last ? 'tool_rule' : null
}

interface Utterance {
  text: string
  otid: string | null
}

/** What was said: plain text, and what was given to `send_message` with success (design §5 row 1). */
function utterances(rows: MessageRow[]): Utterance[] {
  const failed = new Set(
    rows.flatMap((row) =>
      row.parts.flatMap((part) => (part.type === 'tool_return' && part.is_error ? [part.tool_call_id] : [])),
    ),
  )
  return rows.flatMap(expand).flatMap((message): Utterance[] => {
    if (message.message_type === 'assistant_message' && typeof message.content === 'string') {
      return message.content.trim() === '' ? [] : [{ text: message.content, otid: message.otid }]
    }
    if (message.message_type !== 'tool_call_message' || !Array.isArray(message.tool_calls)) return []
    return message.tool_calls
      .filter((call) => call.name === 'send_message' && !failed.has(call.tool_call_id))
      .map((call) => ({ text: String((JSON.parse(call.arguments) as { message: unknown }).message), otid: message.otid }))
  })
}

/** How another agent remembers an utterance (groups.md §3.0, design §5 row 15). */
const heardRow = (spoken: MessageRow, listener: string, { text, otid }: Utterance): MessageRow => ({
  ...spoken,
  id: newId('message'),
  agentId: listener,
  stepId: null,
  role: 'system',
  parts: [{ type: 'text', text }],
  otid,
  heard: true,
})

const newRow = (scene: Scene, agent: AgentState, stepId: string, role: MessageRow['role']): MessageRow => ({
  id: newId('message'),
  agentId: agent.id,
  groupId: scene.groupId,
  runId: scene.runId,
  stepId,
  role,
  parts: [],
  name: agent.name,
  senderId: agent.id,
  otid: null,
  isErr: false,
  date: Date.now(),
  heard: false,
})
