import { expect, test } from 'vitest'
import { Conflict, NotFound } from '../../src/errors.ts'
import { ListBlocksQuery, UpdateBlock } from '../../src/wire/block.ts'
import { emptyStore, labelsOf } from './build.ts'

test('an agent holds one block of each label, whichever way it would get the second', async () => {
  const { store, tenant, agent, block } = await emptyStore()
  const { id } = await agent({ memory_blocks: [{ label: 'human', value: '' }] })
  const rival = await block({ label: 'human' })
  const other = await block({ label: 'other' })
  await store.attachBlock(tenant, id, other.id)
  await store.attachBlock(tenant, id, other.id)
  await expect(store.attachBlock(tenant, id, rival.id)).rejects.toThrow(Conflict)
  await expect(store.updateBlock(tenant, other.id, UpdateBlock.parse({ label: 'human' }))).rejects.toThrow(Conflict)
  expect(await labelsOf(store, tenant, id)).toEqual(['human', 'other'])
  await store.detachBlock(tenant, id, other.id)
  await expect(store.detachBlock(tenant, id, other.id)).rejects.toThrow(NotFound)
})

test('one block is the memory of all who hold it, until it is deleted', async () => {
  const { store, tenant, agent, block } = await emptyStore()
  const { id } = await block({ label: 'plan' })
  const [a, b] = [await agent({ block_ids: [id] }), await agent({ block_ids: [id] })]
  await store.editBlock(tenant, id, ({ value }) => `${value}one `)
  await store.editBlock(tenant, id, ({ value }) => `${value}two`)
  expect((await store.findAgentBlock(tenant, a.id, 'plan')).value).toBe('one two')
  expect((await store.findAgentBlock(tenant, b.id, 'plan')).value).toBe('one two')
  await store.deleteBlock(tenant, id)
  expect(await labelsOf(store, tenant, a.id)).toEqual([])
  await expect(store.deleteBlock(tenant, id)).rejects.toThrow(NotFound)
})

test('an edit that throws leaves the block as it was', async () => {
  const { store, tenant, block } = await emptyStore()
  const made = await block({ value: 'kept' })
  const refused = store.editBlock(tenant, made.id, () => {
    throw new Error('no match')
  })
  await expect(refused).rejects.toThrow('no match')
  expect(await store.findBlock(tenant, made.id)).toEqual(made)
})

test('an update sets null, "" and [], and leaves what is absent', async () => {
  const { store, tenant, block } = await emptyStore()
  const { id } = await block({ value: 'v', description: 'd', tags: ['t'], template_id: 'x', read_only: true })
  const changed = await store.updateBlock(tenant, id, UpdateBlock.parse({ value: '', description: null, tags: [] }))
  expect(changed).toMatchObject({ value: '', description: null, tags: [], template_id: 'x', read_only: true, label: 'facts' })
})

test('a list filters by what is in the block and by how many hold it', async () => {
  const { store, tenant, agent, block } = await emptyStore()
  await block({ label: 'a', value: '100% sure', tags: ['x', 'y'] })
  await block({ label: 'b', value: '100 or so', tags: ['x'], is_template: true, template_name: 'T' })
  const held = await block({ label: 'c', description: 'Who is who' })
  await agent({ block_ids: [held.id] })
  const labels = async (query: Record<string, unknown>) =>
    (await store.listBlocks(tenant, ListBlocksQuery.parse(query))).map(({ label }) => label)
  expect(await labels({ value_search: '100%' })).toEqual(['a'])
  expect(await labels({ description_search: 'WHO' })).toEqual(['c'])
  expect(await labels({ tags: ['x', 'y'] })).toEqual(['a', 'b'])
  expect(await labels({ tags: ['x', 'y'], match_all_tags: 'true' })).toEqual(['a'])
  expect(await labels({ templates_only: 'true' })).toEqual(['b'])
  expect(await labels({ name: 'T' })).toEqual(['b'])
  expect(await labels({ connected_to_agents_count_gt: '0' })).toEqual(['c'])
  expect(await labels({ connected_to_agents_count_eq: ['0'] })).toEqual(['a', 'b'])
  expect(await labels({ identity_id: 'anybody' })).toEqual([])
})
