import type { CallPart, MessageRow, Recorded, Returned, RunRow, Store } from '../db/store.ts'
import { expand } from '../stream/expand.ts'
import { rulesFor } from '../tools/rules.ts'
import { newId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { notRun, runCalls } from './calls.ts'
import { toolRetry } from './events.ts'
import type { At } from './journal.ts'
import type { LentTool, Scene } from './scene.ts'
import { newRow } from './step.ts'
import { heardRow, utterances } from './utterances.ts'

export interface CallsOptions {
  at: At
  /** Who hears what is said. */
  listeners: string[]
  lent: LentTool[]
  /** What the turn's earlier steps called. */
  history: Returned[]
}

/**
 * Runs the calls of a step and stores what they gave. The step is stored before, so after a crash in between the calls are made
 * again with the same keys, and the reader is told (faults.md F5).
 *
 * @param again the step is of an earlier process
 * @returns what they gave, what they said, and whether that ends the turn
 */
export async function callReturns(
  scene: Scene,
  { at, listeners, lent, history }: CallsOptions,
  again: boolean,
): Promise<Recorded> {
  const { journal, store, tenant, runId } = scene
  const { id: stepId, recorded } = journal.find(at)!
  const { calls } = recorded
  if (again && !journal.acted(at)) await scene.show([toolRetry(runId, stepId, calls)])
  return await journal.act(at, async () => {
    const agent = await store.findSpeaker(tenant, at.agentId)
    const names = agent.tools.flatMap(({ name }) => name ?? [])
    const rules = rulesFor(agent.tool_rules, history, names)
    const { parts, returned, badPrefill, lentEnds, cancelled } = await runCalls(scene, {
      agent,
      stepId,
      calls,
      lent,
      rules,
      history,
    })
    const row: MessageRow = { ...newRow(scene, agent, stepId, 'tool'), name: calls[0]!.name, parts }
    const rows = parts.length > 0 ? [row] : []
    const asked: MessageRow = { ...newRow(scene, agent, stepId, 'assistant'), parts: calls }
    const said = saidByCalls(asked, rows, lent)
    const { ends, missing } = rules.after(returned)
    return {
      rows: [...rows, ...said.flatMap((utterance) => listeners.map((listener) => heardRow(asked, listener, utterance)))],
      messages: rows.flatMap((one) => expand(one)),
      said: said.map(({ text }) => text),
      returned,
      ...(missing.length > 0 && { missing }),
      stop: badPrefill ? 'invalid_tool_call' : lentEnds ? 'end_turn' : ends ? 'tool_rule' : null,
      ...(cancelled && { failure: cancelled }),
    }
  })
}

/**
 * What a run that goes no further leaves open: a row for each answer with calls that have no result, which says why (faults.md
 * P6). They may be of a paused run that it has taken up.
 */
export async function openCalls(
  store: Store,
  { id: runId, tenant, admission }: Pick<RunRow, 'id' | 'tenant' | 'admission'>,
  why: string,
  /** Calls that get their results elsewhere. */
  settled: string[] = [],
): Promise<MessageRow[]> {
  const newest = pageQuery({ limit: 1000, order: 'desc' }).parse({})
  const pages = await Promise.all([...admission.continues, runId].map((run) => store.listMessages(tenant, { run }, newest)))
  const rows = pages.flatMap((page) => page.toReversed())
  const returned = new Set([
    ...settled,
    ...rows.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool_return' ? [part.tool_call_id] : []))),
  ])
  return rows.flatMap((row) => {
    const calls = row.parts.filter((part) => part.type === 'tool_call').filter(({ id }) => !returned.has(id))
    if (calls.length === 0) return []
    const { agentId, groupId, stepId, name, senderId } = row
    const said = { agentId, groupId, runId, stepId, name, senderId, otid: null, isErr: false, heard: false }
    return [notRun({ ...said, id: newId('message'), role: 'tool', parts: [], date: Date.now() }, calls, why)]
  })
}

/** What the calls of `asked` say; those that speak by an argument were heard as they came. */
export const saidByCalls = (asked: MessageRow, returned: MessageRow[], lent: LentTool[]) =>
  utterances([{ ...asked, parts: (asked.parts as CallPart[]).filter(({ speaks }) => speaks === undefined) }, ...returned], lent)
