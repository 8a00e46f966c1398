import type { MessageRow, Part, Store } from '../../src/db/store.ts'
import { builtinTools } from '../../src/tools/index.ts'
import type { Embed } from '../../src/tools/tool.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import { newId } from '../../src/wire/id.ts'
import { row, text } from '../support/history.ts'
import { caller } from './caller.ts'

/** Calls built-in tools as the loop does. */
export const toolsOf =
  (store: Store, tenant: string, agent: AgentState, embed?: Embed) =>
  (name: string, args: Record<string, unknown> = {}): Promise<string> =>
    builtinTools.get(name)!.run(args, caller({ store, tenant, agent, embed }))

/** A call of a tool; arguments that are a text stand there as they are. */
export const callOf = (name: string, args: unknown): Part => ({
  type: 'tool_call',
  id: newId('call'),
  name,
  arguments: typeof args === 'string' ? args : JSON.stringify(args),
})

type Said = string | ({ parts: Part[] } & Partial<MessageRow>)

/** Stores messages of an agent as a run does that holds `target`. @returns their ids */
export async function say(store: Store, tenant: string, agentId: string, said: Said[], target = newId('agent')) {
  const run = { id: newId('run'), agentId, groupId: null, background: false, runType: 'test', createdAt: 0 }
  const rows = said.map((one) => {
    const { parts, ...rest } = typeof one === 'string' ? { parts: [text(one)] } : one
    return row('user', parts, { agentId, runId: run.id, date: Date.now(), ...rest })
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody reads it here
  await store.admitRun(
    tenant,
    { ...run, admission: {} as never },
    { targets: [target], inputs: rows, frames: [], answering: [] },
  )
  return rows.map(({ id }) => id)
}
