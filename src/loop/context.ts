import type { MessageRow } from '../db/store.ts'
import { expand, textOf } from '../stream/expand.ts'
import type { AgentState } from '../wire/agent.ts'
import { type CompactionTrigger, compact, compactionEvent } from './compaction.ts'
import { systemRow } from './prompt.ts'
import type { Scene } from './scene.ts'
import type { MessageStream } from './stream.ts'
import { summariser } from './summariser.ts'
import { estimateTokens } from './tokens.ts'

/** What an agent's model is shown; the first row, the system prompt, is brought up to date when memory has changed since. */
export async function currentContext(
  { store, tenant }: Scene,
  agent: AgentState,
): Promise<{ system: string; history: MessageRow[] }> {
  const [first, ...history] = await store.contextOf(agent.id)
  const { parts } = systemRow(agent, await store.countPassages(tenant, agent.id))
  if (first && JSON.stringify(first.parts) !== JSON.stringify(parts)) await store.setParts(first.id, parts)
  return { system: textOf(parts), history }
}

export interface MakeRoomOptions {
  agent: AgentState
  stepId: string
  trigger: CompactionTrigger
  /** Of the model that runs, in tokens. */
  window: number
  /** How full the context is; 0 = nobody has counted. */
  tokens: number
}

/**
 * Summarises the agent's older messages; says so where the caller asked for that (design §5 row 24).
 *
 * @returns false when nothing was gained
 * @throws {SystemPromptTooLong} and what the model that summarises throws
 */
export async function* makeRoom(
  scene: Scene,
  { agent, stepId, trigger, window, tokens }: MakeRoomOptions,
): MessageStream<boolean> {
  const { store, tenant, runId, admission, providers, signal } = scene
  const shown = admission.request.include_compaction_messages
  const rows = await store.contextOf(agent.id)
  const during = { runId, stepId }
  if (shown)
    yield [compactionEvent({ ...during, date: Date.now() }, { trigger, tokens: tokens || estimateTokens(rows), window })]
  const done = await compact({
    rows,
    agent,
    settings: agent.compaction_settings,
    window,
    tokens,
    ...summariser({ agent, providers, signal, override: admission.request.override_model }),
    trigger,
    during,
    force: trigger === 'context_window_exceeded',
  })
  if (!done) return false
  await store.compactContext(tenant, agent.id, done.evicted, done.summary)
  if (shown) yield expand({ ...done.summary, name: agent.name, senderId: agent.id })
  return true
}
