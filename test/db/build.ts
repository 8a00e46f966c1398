import { plainAdmission } from '../support/admission.ts'
import { onTestFinished } from 'vitest'
import { openSqlite } from '../../src/db/sqlite.ts'
import type { NewAgent, Store } from '../../src/db/store.ts'
import { systemRow } from '../../src/loop/prompt.ts'
import { CreateAgent } from '../../src/wire/agent.ts'
import { CreateBlock } from '../../src/wire/block.ts'
import { GroupCreate } from '../../src/wire/group.ts'
import { newId } from '../../src/wire/id.ts'
import type { z } from 'zod'

/** A tenant of its own in an empty store, and short ways to fill it. */
export async function emptyStore() {
  const store = openSqlite(':memory:', 'migrations/sqlite')
  onTestFinished(() => store.close())
  return { store, ...(await tenantIn(store)) }
}

export async function tenantIn(store: Store) {
  const tenant = newId('org')
  await store.ensureTenant(tenant)
  return {
    tenant,
    agent: (create: z.input<typeof CreateAgent> = {}, decided: Partial<NewAgent> = {}) =>
      store.createAgent(tenant, newAgent(create, decided)),
    block: (create: Partial<z.input<typeof CreateBlock>> = {}) =>
      store.createBlock(tenant, CreateBlock.parse({ label: 'facts', value: '', ...create })),
    group: (create: Partial<z.input<typeof GroupCreate>> = {}) =>
      store.createGroup(tenant, GroupCreate.parse({ agent_ids: [], description: '', ...create })),
  }
}

export const labelsOf = async (store: Store, tenant: string, agentId: string) =>
  (await store.findAgent(tenant, agentId)).blocks.map(({ label }) => label)

/** Makes `target` busy with a run, as a request to it does. */
export const occupy = (store: Store, tenant: string, agentId: string, target: string) =>
  store.admitRun(
    tenant,
    {
      id: newId('run'),
      agentId,
      groupId: null,
      background: false,
      runType: 'test',
      admission: plainAdmission(),
      createdAt: 0,
    },
    { targets: [target], inputs: [], frames: [], answering: [] },
  )

function newAgent(create: z.input<typeof CreateAgent>, decided: Partial<NewAgent>): NewAgent {
  const id = newId('agent')
  return {
    id,
    name: create.name ?? `Agent ${id}`,
    system: 'Be brief.',
    toolRules: null,
    create: CreateAgent.parse(create),
    model: { handle: 'demo/chat', name: 'chat', providerType: 'openai', endpoint: 'local', contextWindow: 8000 },
    baseTools: [],
    firstMessage: systemRow,
    ...decided,
  }
}
