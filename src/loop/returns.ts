import type { CallPart, MessageRow, Recorded, Returned } from '../db/store.ts'
import { expand } from '../stream/expand.ts'
import { rulesFor } from '../tools/rules.ts'
import { notRun, runCalls } from './calls.ts'
import { toolRetry } from './events.ts'
import type { At } from './journal.ts'
import type { LentTool, Scene } from './scene.ts'
import { newRow } from './step.ts'
import type { MessageStream } from './stream.ts'
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
export async function* callReturns(
  scene: Scene,
  { at, listeners, lent, history }: CallsOptions,
  again: boolean,
): MessageStream<Recorded> {
  const { journal, store, tenant, runId } = scene
  const { id: stepId, recorded } = journal.find(at)!
  const { calls } = recorded
  if (again && !journal.acted(at)) yield [toolRetry(runId, stepId, calls)]
  return await journal.act(at, async () => {
    const agent = await store.findAgent(tenant, at.agentId)
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

/** Gives calls that were not run, or not to the end, a result that says so: the run goes no further (faults.md P6). */
export async function abandonCalls(scene: Scene): Promise<void> {
  for (const { id: stepId, recorded, ...at } of scene.journal.unreturned) {
    await scene.journal.act(at, async () => {
      const agent = await scene.store.findAgent(scene.tenant, at.agentId)
      const row = notRun(newRow(scene, agent, stepId, 'tool'), recorded.calls, 'the run was given up')
      return { rows: [row], messages: expand(row) }
    })
  }
}

/** What the calls of `asked` say; those that speak by an argument were heard as they came. */
export const saidByCalls = (asked: MessageRow, returned: MessageRow[], lent: LentTool[]) =>
  utterances([{ ...asked, parts: (asked.parts as CallPart[]).filter(({ speaks }) => speaks === undefined) }, ...returned], lent)
