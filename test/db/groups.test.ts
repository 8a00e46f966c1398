import { expect, test } from 'vitest'
import { Conflict, InvalidArgument, InvalidFields, RunBusy } from '../../src/errors.ts'
import { GroupUpdate, ListGroupsQuery } from '../../src/wire/group.ts'
import { emptyStore, labelsOf, occupy } from './build.ts'

test('a group keeps its order, its project and its visibility; members may stand twice in a round only', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const [a, b, manager] = [(await agent()).id, (await agent()).id, (await agent()).id]
  const made = await group({ agent_ids: [b, a, b], project_id: 'p', hidden: true })
  expect(made).toMatchObject({
    agent_ids: [b, a, b],
    project_id: 'p',
    hidden: true,
    manager_type: 'round_robin',
    max_turns: null,
  })
  for (const manager_type of ['supervisor', 'dynamic', 'sleeptime'] as const) {
    const twice = group({ agent_ids: [a, a], manager_config: { manager_type, manager_agent_id: manager } })
    await expect(twice).rejects.toThrow(new InvalidArgument('Duplicate agent ids found in list'))
  }
  expect(await store.countGroups(tenant)).toBe(0)
  expect(await store.listGroups(tenant, ListGroupsQuery.parse({ show_hidden_groups: 'true' }))).toEqual([made])
})

test('a manager that picks by name needs different names', async () => {
  const { agent, group } = await emptyStore()
  const [a, b, manager] = [(await agent({ name: 'Ada' })).id, (await agent({ name: 'Ada' })).id, (await agent()).id]
  const same = group({ agent_ids: [a, b], manager_config: { manager_type: 'dynamic', manager_agent_id: manager } })
  await expect(same).rejects.toThrow('Duplicate agent names found in the provided agent IDs.')
})

test('an agent manages one group at most, and shows it', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const [a, b] = [(await agent()).id, (await agent()).id]
  const supervised = (manager_agent_id: string) => group({ manager_config: { manager_type: 'supervisor', manager_agent_id } })
  const first = await supervised(a)
  expect(await store.findAgent(tenant, a)).toMatchObject({ managed_group: first, multi_agent_group: first })
  await expect(supervised(a)).rejects.toThrow(Conflict)
  const second = await supervised(b)
  const takeover = GroupUpdate.parse({ manager_config: { manager_type: 'supervisor', manager_agent_id: a } })
  await expect(store.updateGroup(tenant, second.id, takeover)).rejects.toThrow(Conflict)
  expect(await store.updateGroup(tenant, first.id, takeover)).toEqual(first)
})

test('what a group shares is held by its members and manager, whoever comes, whoever goes', async () => {
  const { store, tenant, agent, block, group } = await emptyStore()
  const [a, b, manager] = [(await agent()).id, (await agent()).id, (await agent()).id]
  const plan = await block({ label: 'plan' })
  const notes = await block({ label: 'notes' })
  const { id, shared_block_ids } = await group({
    agent_ids: [a],
    shared_block_ids: [plan.id],
    manager_config: { manager_type: 'supervisor', manager_agent_id: manager },
  })
  const held = () => Promise.all([a, b, manager].map((agentId) => labelsOf(store, tenant, agentId)))
  expect(shared_block_ids).toEqual([plan.id])
  expect(await held()).toEqual([['plan'], [], ['plan']])
  await store.updateGroup(tenant, id, GroupUpdate.parse({ agent_ids: [b] }))
  expect(await held()).toEqual([[], ['plan'], ['plan']])
  await store.attachGroupBlock(tenant, id, notes.id)
  await store.attachGroupBlock(tenant, id, notes.id)
  expect((await store.findGroup(tenant, id)).shared_block_ids).toEqual([plan.id, notes.id])
  expect(await held()).toEqual([[], ['plan', 'notes'], ['plan', 'notes']])
  await group({ agent_ids: [b], shared_block_ids: [plan.id] })
  await store.detachGroupBlock(tenant, id, plan.id)
  await store.detachGroupBlock(tenant, id, plan.id)
  expect(await held(), 'b still shares it in the other group').toEqual([[], ['plan', 'notes'], ['notes']])
})

test('a shared block whose label a member already has is refused, and nothing changes', async () => {
  const { store, tenant, agent, block, group } = await emptyStore()
  const rival = await block({ label: 'human' })
  const { id } = await agent({ memory_blocks: [{ label: 'human', value: '' }] })
  await expect(group({ agent_ids: [id], shared_block_ids: [rival.id] })).rejects.toThrow(Conflict)
  const made = await group({ agent_ids: [id] })
  await expect(store.attachGroupBlock(tenant, made.id, rival.id)).rejects.toThrow(Conflict)
  expect(await store.listGroups(tenant, ListGroupsQuery.parse({}))).toEqual([made])
})

test('a manager’s settings can be cleared one by one; its type stays, and the whole has to fit', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const manager = (await agent()).id
  const config = { manager_type: 'dynamic' as const, manager_agent_id: manager, max_turns: 4 }
  const { id } = await group({ manager_config: config })
  const update = (manager_config: object) => store.updateGroup(tenant, id, GroupUpdate.parse({ manager_config }))
  expect(await update({ manager_type: 'dynamic', max_turns: null })).toMatchObject({
    max_turns: null,
    termination_token: 'DONE!',
  })
  expect(await update({ manager_type: 'dynamic', termination_token: null })).toMatchObject({
    termination_token: null,
    manager_agent_id: manager,
  })
  await expect(update({ manager_type: 'round_robin' })).rejects.toThrow('Cannot change group pattern after creation')

  const voice = { manager_type: 'voice_sleeptime' as const, manager_agent_id: (await agent()).id }
  const talk = await group({ manager_config: { ...voice, max_message_buffer_length: 30, min_message_buffer_length: 15 } })
  const shorter = GroupUpdate.parse({ manager_config: { manager_type: 'voice_sleeptime', max_message_buffer_length: 10 } })
  await expect(store.updateGroup(tenant, talk.id, shorter)).rejects.toThrow(InvalidFields)
})

test('the background counter starts before its first turn; deleting the group takes the agent’s flag', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const { id: manager } = await agent({ enable_sleeptime: true })
  const sleeptime = { manager_type: 'sleeptime' as const, manager_agent_id: manager }
  const { id, turns_counter } = await group({ manager_config: sleeptime })
  expect(turns_counter).toBeNull()
  const often = GroupUpdate.parse({ manager_config: { manager_type: 'sleeptime', sleeptime_agent_frequency: 5 } })
  expect(await store.updateGroup(tenant, id, often)).toMatchObject({ sleeptime_agent_frequency: 5, turns_counter: -1 })
  await store.deleteGroup(tenant, id)
  expect(await store.findAgent(tenant, manager)).toMatchObject({ enable_sleeptime: null, managed_group: null })
})

test('a group that is answering is not deleted', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const member = (await agent()).id
  const { id } = await group({ agent_ids: [member] })
  await occupy(store, tenant, member, id)
  await expect(store.deleteGroup(tenant, id)).rejects.toThrow(RunBusy)
})

test('an agent lists the groups it is a member of', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const [a, b] = [(await agent()).id, (await agent()).id]
  const both = await group({ agent_ids: [a, b, a] })
  await group({ agent_ids: [b], manager_config: { manager_type: 'supervisor', manager_agent_id: a } })
  expect(await store.groupsOfAgent(tenant, a, ListGroupsQuery.parse({}))).toEqual([both])
})
