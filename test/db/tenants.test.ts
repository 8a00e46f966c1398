import { expect, test } from 'vitest'
import { NotFound } from '../../src/errors.ts'
import { ListAgentsQuery, UpdateAgent } from '../../src/wire/agent.ts'
import { ListBlocksQuery, UpdateBlock } from '../../src/wire/block.ts'
import { GroupUpdate, ListGroupsQuery } from '../../src/wire/group.ts'
import { emptyStore, tenantIn } from './build.ts'

test('nothing of one tenant can be seen, used or changed by another', async () => {
  const { store, tenant, agent, block, group } = await emptyStore()
  const [a, f] = [await agent(), await block()]
  const g = await group({ agent_ids: [a.id] })
  const { tenant: other, ...stranger } = await tenantIn(store)
  const theirs = await stranger.agent()
  const attempts = await Promise.allSettled([
    store.findAgent(other, a.id),
    store.updateAgent(other, a.id, UpdateAgent.parse({ name: 'x' })),
    store.deleteAgent(other, a.id),
    store.findBlock(other, f.id),
    store.updateBlock(other, f.id, UpdateBlock.parse({ value: 'x' })),
    store.editBlock(other, f.id, () => 'x'),
    store.deleteBlock(other, f.id),
    store.attachBlock(other, theirs.id, f.id),
    store.attachBlock(other, a.id, f.id),
    store.detachBlock(other, a.id, f.id),
    store.blocksOfAgent(other, a.id, ListBlocksQuery.parse({})),
    store.findAgentBlock(other, a.id, 'facts'),
    store.findGroup(other, g.id),
    store.updateGroup(other, g.id, GroupUpdate.parse({ description: 'x' })),
    store.deleteGroup(other, g.id),
    store.attachGroupBlock(other, g.id, f.id),
    store.groupsOfAgent(other, a.id, ListGroupsQuery.parse({})),
    stranger.agent({ block_ids: [f.id] }),
    stranger.group({ agent_ids: [a.id] }),
    stranger.group({ manager_config: { manager_type: 'supervisor', manager_agent_id: a.id } }),
    stranger.group({ agent_ids: [theirs.id], shared_block_ids: [f.id] }),
  ])
  for (const attempt of attempts) expect(attempt).toEqual({ status: 'rejected', reason: expect.any(NotFound) })
  expect(await store.listAgents(other, ListAgentsQuery.parse({}))).toEqual([theirs])
  expect(await store.findAgent(tenant, a.id)).toEqual(a)
  expect(await store.findBlock(tenant, f.id)).toEqual(f)
  expect(await store.findGroup(tenant, g.id)).toEqual(g)
})
