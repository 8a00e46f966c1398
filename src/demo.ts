import type { Store } from './db/store.ts'
import type { Providers } from './llm/index.ts'
import { newAgent } from './loop/new-agent.ts'
import { CreateAgent, ListAgentsQuery } from './wire/agent.ts'
import { GroupCreate, ListGroupsQuery } from './wire/group.ts'

const description = 'Three friends plan something together with you.'

const members = [
  ['ana', 'Ana is an optimist with a love for the sea. She starts with the boldest idea and talks in vivid pictures.'],
  ['ben', 'Ben is a careful planner. He asks what it costs, checks the weather and proposes the next concrete step.'],
  ['cleo', 'Cleo is a dry wit who has read everything. She finds the flaw, then the compromise everybody can live with.'],
] as const

/**
 * Something to try at once: three agents on the built-in model, in a round-robin group. Made only in an empty database.
 *
 * @returns the demo group's id, if it is there
 */
export async function seedDemo(tenant: string, store: Store, providers: Providers): Promise<string | undefined> {
  const agents = await store.listAgents(tenant, ListAgentsQuery.parse({ limit: 1, show_hidden_agents: 'true' }))
  if (agents.length === 0) {
    const ids: string[] = []
    for (const [name, persona] of members) {
      const create = CreateAgent.parse({ name, memory_blocks: [{ label: 'persona', value: persona }] })
      ids.push((await store.createAgent(tenant, newAgent(create, providers, 'demo/chat'))).id)
    }
    await store.createGroup(tenant, GroupCreate.parse({ agent_ids: ids, description }))
  }
  const groups = await store.listGroups(tenant, ListGroupsQuery.parse({ limit: 1 }))
  return groups.find((group) => group.description === description)?.id
}
