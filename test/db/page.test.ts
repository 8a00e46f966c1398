import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NotFound } from '../../src/errors.ts'
import { ListBlocksQuery, UpdateBlock } from '../../src/wire/block.ts'
import { emptyStore, tenantIn } from './build.ts'

const orders = fc.constantFrom('asc' as const, 'desc' as const)

/** So many blocks, every third hidden, among another tenant's. */
async function someBlocks(count: number) {
  const { store, ...mine } = await emptyStore()
  const other = await tenantIn(store)
  const shown: string[] = []
  for (let i = 0; i < count; i++) {
    const { id } = await mine.block({ label: `b${i}`, hidden: i % 3 === 2 })
    if (i % 3 !== 2) shown.push(id)
    await other.block()
  }
  const page = async (query: Record<string, unknown>) =>
    (await store.listBlocks(mine.tenant, ListBlocksQuery.parse(query))).map(({ id }) => id)
  return { store, mine, other, shown, page }
}

test('following `after` from page to page gives every row once, in the asked order, whatever the limit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 6 }), orders, async (count, limit, order) => {
      const { shown, page } = await someBlocks(count)
      const walked: string[] = []
      for (let ids = await page({ limit, order }); ids.length > 0; ids = await page({ limit, order, after: ids.at(-1) })) {
        expect(ids.length).toBeLessThanOrEqual(limit)
        walked.push(...ids)
      }
      expect(walked).toEqual(order === 'asc' ? shown : shown.toReversed())
    }),
    { numRuns: 40 },
  )
})

test('following `before` walks back to the start: each page is the nearest one, still in the asked order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 6 }), orders, async (count, limit, order) => {
      const { shown, page } = await someBlocks(count)
      const all = order === 'asc' ? shown : shown.toReversed()
      const walked = [all.at(-1)!]
      for (
        let ids = await page({ limit, order, before: walked[0] });
        ids.length > 0;
        ids = await page({ limit, order, before: walked[0] })
      ) {
        expect(ids.length).toBeLessThanOrEqual(limit)
        walked.unshift(...ids)
      }
      expect(walked).toEqual(all)
    }),
    { numRuns: 40 },
  )
})

test('between `after` and `before` lies what stands between them', async () => {
  const { shown, page } = await someBlocks(9)
  expect(await page({ after: shown[0], before: shown[4] })).toEqual(shown.slice(1, 4))
  expect(await page({ order: 'desc', after: shown[4], before: shown[0], limit: 2 })).toEqual([shown[3], shown[2]])
})

test('a cursor that is unknown, deleted or another tenant’s is refused, not ignored', async () => {
  const { store, mine, other, shown, page } = await someBlocks(3)
  const foreign = await other.block()
  await store.deleteBlock(mine.tenant, shown[0]!)
  for (const cursor of ['nonsense', shown[0], foreign.id]) {
    await expect(page({ after: cursor })).rejects.toThrow(NotFound)
    await expect(page({ before: cursor })).rejects.toThrow(NotFound)
  }
})

test('a cursor that the filter no longer selects keeps its place', async () => {
  const { store, mine, shown, page } = await someBlocks(6)
  await store.updateBlock(mine.tenant, shown[1]!, UpdateBlock.parse({ hidden: true }))
  expect(await page({ after: shown[1] })).toEqual(shown.slice(2))
})
