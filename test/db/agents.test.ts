import { expect, test } from 'vitest'
import { Conflict, InvalidArgument, NotFound, RunBusy } from '../../src/errors.ts'
import { ListAgentsQuery, UpdateAgent } from '../../src/wire/agent.ts'
import { ListBlocksQuery } from '../../src/wire/block.ts'
import { GroupUpdate } from '../../src/wire/group.ts'
import { newId } from '../../src/wire/id.ts'
import { emptyStore, occupy } from './build.ts'

test('a new agent has everything that hangs on it, and its system message in its context', async () => {
  const { store, tenant, agent, block } = await emptyStore()
  const shared = await block({ label: 'shared' })
  const made = await agent({
    name: 'Ada',
    memory_blocks: [{ label: 'persona', value: 'curious' }],
    block_ids: [shared.id],
    tags: ['b', 'a', 'b'],
    secrets: { KEY: 'hush' },
  })
  expect(made).toMatchObject({ name: 'Ada', model: 'demo/chat', tags: ['a', 'b'], secrets: [], managed_group: null })
  expect(made.blocks.map(({ label }) => label)).toEqual(['persona', 'shared'])
  expect(made.blocks[0]?.description).toMatch(/Who you are/)
  expect(made.memory.blocks).toEqual(made.blocks)
  expect(made.message_ids).toHaveLength(1)
  expect(JSON.stringify(made)).not.toContain('hush')
  expect(await store.findAgent(tenant, made.id)).toEqual(made)
})

test('two blocks of one label are refused, and nothing of the agent is stored', async () => {
  const { store, tenant, agent } = await emptyStore()
  const twice = { memory_blocks: ['a', 'b'].map((value) => ({ label: 'human', value })) }
  await expect(agent(twice)).rejects.toThrow(Conflict)
  expect(await store.countAgents(tenant, ListAgentsQuery.parse({}))).toBe(0)
  expect(await store.countBlocks(tenant, ListBlocksQuery.parse({}))).toBe(0)
})

test('unknown tools and blocks are 404, a base tool that does not exist is left out', async () => {
  const { agent } = await emptyStore()
  expect((await agent({}, { baseTools: ['conversation_search'] })).tools).toEqual([])
  await expect(agent({ tools: ['conversation_search'] })).rejects.toThrow(NotFound)
  await expect(agent({ tool_ids: [newId('tool')] })).rejects.toThrow(NotFound)
  await expect(agent({ block_ids: [newId('block')] })).rejects.toThrow(NotFound)
})

test('an update sets null and empty lists, and leaves what is absent', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent({ description: 'old', tags: ['x'], memory_blocks: [{ label: 'human', value: '' }] })
  const renamed = await store.updateAgent(tenant, id, UpdateAgent.parse({ name: 'New', hidden: true }))
  expect(renamed).toMatchObject({ name: 'New', hidden: true, description: 'old', tags: ['x'] })
  const cleared = await store.updateAgent(tenant, id, UpdateAgent.parse({ description: null, tags: [], block_ids: [] }))
  expect(cleared).toMatchObject({ name: 'New', description: null, tags: [], blocks: [] })
})

test('another model brings its own window; the settings stay as they were sent', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent({ model_settings: { provider_type: 'openai', temperature: 0 }, context_window_limit: 500 })
  const model = { handle: 'x/big', name: 'big', providerType: 'openai', endpoint: 'there', contextWindow: 99_000 }
  const { llm_config, model: handle, model_settings } = await store.updateAgent(tenant, id, UpdateAgent.parse({}), model)
  expect(llm_config).toMatchObject({ model: 'big', handle: 'x/big', context_window: 99_000, temperature: 0 })
  expect({ handle, model_settings }).toEqual({ handle: 'x/big', model_settings: { provider_type: 'openai', temperature: 0 } })
})

test('a list shows those that all filters select, and leaves the hidden ones out, as the count does', async () => {
  const { store, tenant, agent } = await emptyStore()
  await agent({ name: 'Ada', tags: ['x', 'y'] })
  await agent({ name: 'ada_2', tags: ['x'], project_id: 'p' })
  await agent({ name: 'Hid', tags: ['x'], hidden: true })
  const names = async (query: Record<string, unknown>) => {
    const parsed = ListAgentsQuery.parse({ order: 'asc', ...query })
    const found = (await store.listAgents(tenant, parsed)).map(({ name }) => name)
    expect(await store.countAgents(tenant, parsed)).toBe(found.length)
    return found
  }
  expect(await names({})).toEqual(['Ada', 'ada_2'])
  expect(await names({ name: 'Ada' })).toEqual(['Ada'])
  expect(await names({ query_text: 'ADA' })).toEqual(['Ada', 'ada_2'])
  expect(await names({ query_text: '_' })).toEqual(['ada_2'])
  expect(await names({ tags: ['x', 'y'] })).toEqual(['Ada', 'ada_2'])
  expect(await names({ tags: ['x', 'y'], match_all_tags: 'true' })).toEqual(['Ada'])
  expect(await names({ project_id: 'p' })).toEqual(['ada_2'])
  expect(await names({ show_hidden_agents: 'true' })).toEqual(['Ada', 'ada_2', 'Hid'])
})

test('a context keeps its system message, and takes only its own messages', async () => {
  const { store, tenant, agent } = await emptyStore()
  const [one, two] = [await agent(), await agent()]
  await expect(store.updateAgent(tenant, one.id, UpdateAgent.parse({ message_ids: [] }))).rejects.toThrow(InvalidArgument)
  await expect(store.updateAgent(tenant, one.id, UpdateAgent.parse({ message_ids: two.message_ids }))).rejects.toThrow(NotFound)
  expect(await store.updateAgent(tenant, one.id, UpdateAgent.parse({ message_ids: one.message_ids }))).toHaveProperty(
    'message_ids',
    one.message_ids,
  )
})

test('a member that is deleted leaves its groups without a gap', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const [a, b] = [(await agent()).id, (await agent()).id]
  const { id } = await group({ agent_ids: [a, b, a, b] })
  await store.deleteAgent(tenant, a)
  expect((await store.findGroup(tenant, id)).agent_ids).toEqual([b, b])
  await store.updateGroup(tenant, id, GroupUpdate.parse({ agent_ids: [b, b, b] }))
})

test('who manages a group or is speaking cannot be deleted', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const [manager, speaker] = [(await agent()).id, (await agent()).id]
  await group({ manager_config: { manager_type: 'supervisor', manager_agent_id: manager } })
  await occupy(store, tenant, speaker, speaker)
  await expect(store.deleteAgent(tenant, manager)).rejects.toThrow(Conflict)
  await expect(store.deleteAgent(tenant, speaker)).rejects.toThrow(RunBusy)
  expect(await store.countAgents(tenant, ListAgentsQuery.parse({}))).toBe(2)
})
