import type { CallPart, MessageRow, PendingApproval, Recorded, Returned, Speaker } from '../db/store.ts'
import { asRefusal, Cancelled } from '../errors.ts'
import { ContextOverflow } from '../llm/errors.ts'
import type { Delta, FinishReason, Hear, ModelCall, ToolSpec } from '../llm/provider.ts'
import { noUsage } from '../llm/usage.ts'
import { Answer } from '../stream/answer.ts'
import { expand } from '../stream/expand.ts'
import { type Rules, rulesFor } from '../tools/rules.ts'
import { decrementMessageId, newId } from '../wire/id.ts'
import type { LettaMessage } from '../wire/message.ts'
import { notRun } from './calls.ts'
import { currentContext, makeRoom } from './context.ts'
import { modelRetry } from './events.ts'
import type { At, StepOutcome } from './journal.ts'
import { promptMessages, skillsNote } from './prompt.ts'
import type { LentTool, Scene } from './scene.ts'
import { heardRow, utterances } from './utterances.ts'

export interface StepOptions {
  agentId: string
  stepId: string
  at: At
  /** Added to the system prompt of this request only. */
  note: string
  /** Said to the model, and stored nowhere: what it still has to do. */
  notice: string | undefined
  /** Who hears what is said, beside the user. */
  listeners: string[]
  /** Tools that the manager lends for this turn. */
  lent: LentTool[]
  mustCall: string | undefined
  /** What the turn's earlier steps called. */
  history: Returned[]
}

/** How often the context is made smaller for one step (groups.md §5.5.2). */
const MAX_COMPACTIONS = 3

/**
 * One model call (groups.md §5.7). Shows pieces as they come when tokens are asked for; else the outcome holds the whole
 * messages, and they are shown together with what is stored. The tools that it asks for are run when it is.
 *
 * @throws {Suspended} when the server goes down; a model's failure, and a cancel, is in the outcome
 */
export async function takeStep(scene: Scene, options: StepOptions): Promise<StepOutcome> {
  const { store, tenant, signal, admission } = scene
  const { stepId } = options
  const { stream_tokens: tokens, override_model, client_tools } = admission.request
  const agent = await store.findSpeaker(tenant, options.agentId)
  const handle = override_model ?? agent.model ?? ''
  const { provider, model } = scene.providers.resolve(handle)
  const names = agent.tools.flatMap(({ name }) => name ?? [])
  const rules = rulesFor(agent.tool_rules, options.history, names)
  const row = newRow(scene, agent, stepId, 'assistant')
  const ofCaller = new Set((client_tools ?? []).map(({ name }) => name))
  const answer = new Answer(row, {
    waits: (name) => ofCaller.has(name) || rules.needsApproval(name),
    speech: speechOf(agent, admission.request),
  })
  const recorded: Recorded = {
    stop: null,
    said: [],
    calls: [],
    returned: [],
    model,
    handle,
    providerType: provider.type,
    endpoint: provider.endpoint,
    contextWindow: override_model ? provider.contextWindow(model) : agent.llm_config.context_window,
    usage: noUsage,
  }
  let finish = 'other' as FinishReason
  const hear: Hear = (deltas) => {
    const messages: LettaMessage[] = []
    for (const delta of deltas) {
      if (delta.type === 'finish') {
        finish = delta.reason
        recorded.usage = delta.usage
      } else if (delta.type === 'retrying') messages.push(modelRetry(scene.runId, stepId, delta))
      else {
        const message = take(answer, delta)
        if (message && tokens) messages.push(message)
      }
    }
    return messages.length > 0 ? scene.show(messages) : undefined
  }
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        await provider.stream(await modelCall(scene, agent, model, rules, options), hear)
        break
      } catch (error) {
        const { contextWindow: window } = recorded
        if (!(error instanceof ContextOverflow) || attempt === MAX_COMPACTIONS || answer.begun) throw error
        if (!(await makeRoom(scene, { agent, stepId, window, trigger: 'context_window_exceeded', tokens: 0 }))) throw error
      }
    }
  } catch (error) {
    if (signal.aborted && !(signal.reason instanceof Cancelled)) throw signal.reason
    const failure: unknown = signal.aborted ? signal.reason : error
    const rows = halfRows(scene, agent, row, answer, failure)
    // What failed is listed, and nobody hears it.
    const listeners = failure instanceof Cancelled ? options.listeners : []
    return saying({ ...options, listeners, tokens, rows, recorded, failure })
  }
  row.parts = answer.parts
  const own = answer.parts.filter((part) => part.type === 'tool_call')
  recorded.calls = [...own, ...answer.pending]
  const rows = row.parts.length > 0 ? [row] : []
  if (answer.pending.length > 0) {
    // Nothing is run, not even what needs no leave, until all are answered (streaming.md §7.2).
    const pending = waiting(scene, options, row, answer.pending, own)
    rows.push({ ...row, id: pending.id, role: 'approval', parts: answer.pending })
    recorded.waits = answer.pending.map(({ id }) => id)
    recorded.stop = 'requires_approval'
    return saying({ ...options, tokens, rows, recorded, pending })
  }
  if (own.length > 0) {
    recorded.runs = true
    // What calls say is said when they have their results.
    return saying({ ...options, lent: [], tokens, rows, recorded })
  }
  const { ends, missing } = rules.after([])
  if (missing.length > 0) recorded.missing = missing
  if (finish === 'length') recorded.stop = 'max_tokens_exceeded'
  else if (ends) recorded.stop = 'end_turn'
  return saying({ ...options, tokens, rows, recorded })
}

interface Saying extends Pick<StepOptions, 'lent' | 'listeners'>, Omit<StepOutcome, 'messages'> {
  /** Its pieces were shown already. */
  tokens: boolean
}

/** The outcome of a step with these rows: who hears of it, and what is shown of it now. */
function saying({ lent, listeners, tokens, rows, recorded, pending, failure }: Saying): StepOutcome {
  const said = utterances(rows, lent)
  recorded.said = said.map(({ text }) => text)
  const heard = said.flatMap((utterance) => listeners.map((listener) => heardRow(rows[0]!, listener, utterance)))
  const shown = tokens ? rows.filter(({ role }) => role === 'tool') : rows
  return {
    recorded,
    rows: [...rows, ...heard],
    messages: shown.flatMap((one) => expand(one)),
    ...(pending && { pending }),
    ...(failure !== undefined && { failure }),
  }
}

/** What was said before the model failed or the run was cancelled; its calls were not run, and say so (faults.md F35, P6). */
function halfRows(scene: Scene, agent: Speaker, row: MessageRow, answer: Answer, failure: unknown): MessageRow[] {
  if (!answer.begun) return []
  const isErr = !(failure instanceof Cancelled)
  const rows: MessageRow[] = answer.parts.length > 0 ? [{ ...row, parts: answer.parts, isErr }] : []
  if (answer.pending.length > 0)
    rows.push({ ...row, id: decrementMessageId(row.id), role: 'approval', parts: answer.pending, isErr })
  const calls = [...answer.parts.filter((part) => part.type === 'tool_call'), ...answer.pending]
  if (calls.length > 0)
    rows.push(notRun({ ...newRow(scene, agent, row.stepId!, 'tool'), isErr }, calls, asRefusal(failure).message))
  return rows
}

/** Agents of the older types speak by a tool, and what it is given is shown as what they say (streaming.md §0.3, §2.1). */
function speechOf({ agent_type }: Speaker, request: Scene['admission']['request']) {
  const modern = agent_type === 'letta_v1_agent' || agent_type === 'sleeptime_agent'
  if (modern || !request.use_assistant_message) return undefined
  return { tool: request.assistant_message_tool_name, argument: request.assistant_message_tool_kwarg }
}

/** Everything that the provider is told. */
async function modelCall(scene: Scene, agent: Speaker, model: string, rules: Rules, options: StepOptions): Promise<ModelCall> {
  const { override_system, client_tools, client_skills } = scene.admission.request
  const { system, history } = await currentContext(scene, agent)
  const callers = (client_tools ?? []).map(clientSpec)
  const own = agentTools(agent).filter(({ name }) => rules.allowed.includes(name))
  const offered = [...options.lent.map(({ spec }) => spec), ...callers, ...own]
  const messages = promptMessages(history)
  if (options.notice !== undefined) messages.push({ role: 'user', content: [{ type: 'text', text: options.notice }] })
  return {
    model,
    system: [override_system ?? system, skillsNote(client_skills ?? []), options.note].filter(Boolean).join('\n\n'),
    messages,
    // The first of a name counts: the caller's tool stands before the agent's own.
    tools: [...new Map(offered.toReversed().map((tool) => [tool.name, tool])).values()].toReversed(),
    toolChoice: toolChoice(rules, options.mustCall),
    parallelToolCalls: rules.parallel && (agent.model_settings?.parallel_tool_calls ?? true),
    settings: agent.model_settings ?? {},
    signal: scene.signal,
  }
}

function toolChoice({ mustCall, allowed }: Rules, lent: string | undefined): ModelCall['toolChoice'] {
  if (lent !== undefined) return { name: lent }
  if (!mustCall) return 'auto'
  return allowed.length === 1 ? { name: allowed[0]! } : 'required'
}

function take(answer: Answer, delta: Exclude<Delta, { type: 'finish' | 'retrying' }>): LettaMessage | undefined {
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

const clientSpec = (tool: {
  name: string
  description?: string | null | undefined
  parameters?: Record<string, unknown> | null | undefined
}): ToolSpec => ({
  name: tool.name,
  description: tool.description ?? '',
  parameters: tool.parameters ?? { type: 'object', properties: {} },
})

const agentTools = (agent: Speaker): ToolSpec[] =>
  agent.tools.flatMap(({ name, description, json_schema }) =>
    name === null
      ? []
      : [clientSpec({ name, description, parameters: json_schema?.['parameters'] as Record<string, unknown> | undefined })],
  )

const waiting = (
  scene: Scene,
  { at, stepId }: StepOptions,
  row: MessageRow,
  calls: CallPart[],
  allowed: CallPart[],
): PendingApproval => ({
  id: decrementMessageId(row.id),
  runId: scene.runId,
  stepId,
  agentId: at.agentId,
  groupId: scene.groupId,
  calls,
  allowed,
  expiresAt: scene.approvalExpiryMs === undefined ? null : Date.now() + scene.approvalExpiryMs,
})

export const newRow = (
  scene: Pick<Scene, 'groupId' | 'runId'>,
  agent: Pick<Speaker, 'id' | 'name'>,
  stepId: string,
  role: MessageRow['role'],
): MessageRow => ({
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
