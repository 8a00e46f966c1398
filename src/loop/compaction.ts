import { randomUUID } from 'node:crypto'
import type { MessageRow } from '../db/store.ts'
import { SystemPromptTooLong } from '../llm/errors.ts'
import { headOf } from '../stream/answer.ts'
import { type CompactionStats, packSummary } from '../stream/summary.ts'
import type { AgentState } from '../wire/agent.ts'
import { newId } from '../wire/id.ts'
import type { EventMessage } from '../wire/message.ts'
import { chooseCut, type Cut, cutAll } from './cut.ts'
import { promptFor } from './summary-prompt.ts'
import { estimateTokens, needsCompaction } from './tokens.ts'
import { clipMiddle, transcript } from './transcript.ts'

/** Why older messages are summarised: the provider refused, a step left the context nearly full, or somebody asked. */
export type CompactionTrigger = 'context_window_exceeded' | 'post_step_context_check' | 'summarize_request'

type CompactionSettings = AgentState['compaction_settings']

/** One model call; never an empty text. */
export type Summarise = (transcript: string, prompt: string) => Promise<string>

export interface CompactOptions {
  /** The context, the system row at its head. */
  rows: readonly MessageRow[]
  agent: Pick<AgentState, 'id'>
  settings: CompactionSettings
  /** Of the agent's model, in tokens. */
  window: number
  /** How full the context is, as far as that was counted; by default an estimate. */
  tokens?: number
  summarise: Summarise
  /** Of the model that summarises; by default the agent's. */
  summariserWindow?: number
  trigger: CompactionTrigger
  /** Also when the context is not nearly full. */
  force?: boolean
  /** The run and step that it is part of. */
  during?: Pick<MessageRow, 'runId' | 'stepId'>
}

export interface Compaction {
  /** Ids of rows that leave the context. */
  evicted: string[]
  /** The row that comes in their place; not stored yet. */
  summary: MessageRow
  stats: CompactionStats
  /** The summary's text alone. */
  text: string
}

/** How much of a window a summary may take, and how much of one what is to be summarised. */
const SUMMARY_SHARE = 0.2
const TRANSCRIPT_SHARE = 0.6

/**
 * Makes room in an agent's context: older messages become a summary, first as many as its sliding window says; if these cannot
 * be summarised or are not enough, all of them (groups.md §5.5.3). Stores nothing.
 *
 * @returns undefined when there is no need, or nothing to gain
 * @throws {SystemPromptTooLong} when nothing can help; what `summarise` throws, when it fails for every cut
 */
export async function compact(options: CompactOptions): Promise<Compaction | undefined> {
  const { rows, settings, window, summarise, summariserWindow = window, force = false } = options
  const count = counter(options)
  if (needsCompaction(count(rows.slice(0, 1)), window)) throw new SystemPromptTooLong(window)
  if (!force && !needsCompaction(count(rows), window)) return undefined
  let best: Compaction | undefined
  let failure: unknown
  for (const cut of cutsOf(options, count)) {
    try {
      const said = transcript(cut.evicted, Math.floor(summariserWindow * TRANSCRIPT_SHARE))
      const summary = await summarise(said, settings?.prompt ?? promptFor(cut.mode))
      best = summarised(options, count, cut, clipSummary(summary, settings, window))
    } catch (error) {
      failure = error
      continue
    }
    if (!needsCompaction(best.stats.context_tokens_after!, window)) break
  }
  if (!best && failure !== undefined) throw failure
  return best && gains(best.stats) ? best : undefined
}

/** Said before a compaction, and not stored (streaming.md §3.10). `row`: the step that it is part of. */
export const compactionEvent = (
  row: Pick<MessageRow, 'runId' | 'stepId' | 'date'>,
  { trigger, tokens, window }: { trigger: CompactionTrigger; tokens: number; window: number },
): EventMessage => ({
  ...headOf({ ...row, id: randomUUID(), name: null, senderId: null, isErr: false }, 'event_message', null),
  event_type: 'compaction',
  event_data: { trigger, context_token_estimate: tokens, context_window: window },
})

type Count = (rows: readonly MessageRow[]) => number

/**
 * Counts rows as the provider would: our estimate, stretched to what the whole context is known to have. What was refused as
 * too long is longer than the window, whatever we think.
 */
function counter({ rows, tokens, trigger, window }: CompactOptions): Count {
  const sizes = new Map(rows.map((row) => [row, estimateTokens([row])]))
  const sum: Count = (some) => some.reduce((total, row) => total + sizes.get(row)!, 0)
  const estimate = sum(rows)
  const known = Math.max(tokens || estimate, trigger === 'context_window_exceeded' ? window + 1 : 0)
  return (some) => Math.ceil((sum(some) * known) / Math.max(1, estimate))
}

/** The cuts to try, in order. */
function cutsOf({ rows, settings, window }: CompactOptions, count: Count): Cut[] {
  const percentage = settings?.sliding_window_percentage ?? 0.3
  const fits = (kept: MessageRow[]) => count(kept) <= (1 - percentage) * window
  const slides = settings === null || settings.mode.endsWith('sliding_window')
  const sliding = slides ? chooseCut(rows, { percentage, fits }) : undefined
  const all = cutAll(rows, { fits })
  const cuts = sliding?.evicted.length === all?.evicted.length ? [sliding] : [sliding, all]
  return cuts.filter((cut) => cut !== undefined)
}

function summarised(
  { rows, agent, trigger, window, during }: CompactOptions,
  count: Count,
  { evicted, kept }: Cut,
  text: string,
): Compaction {
  const date = Date.now()
  const stats: CompactionStats = {
    trigger,
    context_tokens_before: count(rows),
    context_tokens_after: count([...rows.slice(0, 1), ...kept]) + estimateTokens(text),
    context_window: window,
    messages_count_before: rows.length,
    messages_count_after: kept.length + 2,
  }
  const summary: MessageRow = {
    id: newId('message'),
    agentId: agent.id,
    // It is the agent's own memory: of all its groups, and in none of their transcripts.
    groupId: null,
    runId: during?.runId ?? null,
    stepId: during?.stepId ?? null,
    role: 'summary',
    parts: packSummary(text, stats, date),
    name: null,
    senderId: null,
    otid: null,
    isErr: false,
    date,
    heard: false,
  }
  return { evicted: evicted.map(({ id }) => id), summary, stats, text }
}

/** `clip_chars` is the most that a summary may have; besides, it has to leave room in the window. */
function clipSummary(text: string, settings: CompactionSettings, window: number): string {
  const limit = settings === null ? 50_000 : (settings.clip_chars ?? Infinity)
  const room = Math.floor((text.length * SUMMARY_SHARE * window) / estimateTokens(text))
  return clipMiddle(text, Math.min(limit, room))
}

const gains = ({ messages_count_before, messages_count_after, context_tokens_before, context_tokens_after }: CompactionStats) =>
  messages_count_after < messages_count_before || context_tokens_after! < context_tokens_before!
