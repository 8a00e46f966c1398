import type { MessageRow, RunRow, Speaker, Store } from '../db/store.ts'
import { expand, textOf } from '../stream/expand.ts'
import type { Frame, LettaMessage } from '../wire/message.ts'
import { pageQuery } from '../wire/page.ts'
import { type CompactionTrigger, compact, compactionEvent } from './compaction.ts'
import { systemRow } from './prompt.ts'
import type { Scene } from './scene.ts'
import { summariser } from './summariser.ts'
import { estimateTokens } from './tokens.ts'

/** What an agent's model is shown; the first row, the system prompt, is brought up to date when memory has changed since. */
export async function currentContext(
  { store, tenant }: Scene,
  agent: Speaker,
): Promise<{ system: string; history: MessageRow[] }> {
  const [first, ...history] = await store.contextOf(agent.id)
  const { parts } = systemRow(agent, await store.countPassages(tenant, agent.id))
  if (first && JSON.stringify(first.parts) !== JSON.stringify(parts)) await store.setParts(first.id, parts)
  return { system: textOf(parts), history }
}

export interface MakeRoomOptions {
  agent: Speaker
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
export async function makeRoom(scene: Scene, { agent, stepId, trigger, window, tokens }: MakeRoomOptions): Promise<boolean> {
  const { store, tenant, runId, admission, providers, signal } = scene
  const shown = admission.request.include_compaction_messages
  const rows = await store.contextOf(agent.id)
  const during = { runId, stepId }
  if (shown)
    await scene.show([
      compactionEvent({ ...during, date: Date.now() }, { trigger, tokens: tokens || estimateTokens(rows), window }),
    ])
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
  if (shown) await scene.show(announcing(done.summary, agent))
  return true
}

/** The summaries that a run has stored, and did not come to show: its process died just then (faults.md F11). */
export async function unshownSummaries(
  store: Store,
  { id, tenant }: Pick<RunRow, 'id' | 'tenant'>,
  shown: Frame[],
): Promise<LettaMessage[]> {
  const known = new Set(shown.flatMap((message) => ('id' in message ? [message.id] : [])))
  // They are among the last that it has stored.
  const newest = await store.listMessages(tenant, { run: id }, pageQuery({ limit: 100, order: 'desc' }).parse({}))
  const unshown = newest.filter((row) => row.role === 'summary' && !known.has(row.id)).toReversed()
  const announced = unshown.map(async (row) =>
    announcing(row, { id: row.agentId, name: await store.findAgentName(tenant, row.agentId) }),
  )
  return (await Promise.all(announced)).flat()
}

const announcing = (summary: MessageRow, { id, name }: Pick<Speaker, 'id' | 'name'>): LettaMessage[] =>
  expand({ ...summary, name, senderId: id })
