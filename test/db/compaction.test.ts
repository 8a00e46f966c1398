import { expect, test } from 'vitest'
import { Conflict, NotFound } from '../../src/errors.ts'
import { pageQuery } from '../../src/wire/page.ts'
import { hear, row, summary, text } from '../support/history.ts'
import { emptyStore } from './build.ts'

/** An agent with `count` messages behind its system prompt. */
async function agentWith(count: number) {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent()
  const rows = Array.from({ length: count }, (_, index) => row('user', [text(`${index}`)], { agentId: id }))
  await hear(store, tenant, id, rows)
  return { store, tenant, id, rows, state: () => store.findAgent(tenant, id) }
}

const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id)

test('a summary stands behind the system prompt, before what was kept and what comes later; nothing is deleted', async () => {
  const { store, tenant, id, rows, state } = await agentWith(6)
  const [system] = (await state()).message_ids!
  const first = { ...summary('one'), agentId: id }
  await store.compactContext(tenant, id, idsOf(rows.slice(0, 3)), first)
  const later = row('user', [text('later')], { agentId: id })
  await hear(store, tenant, id, [later])
  expect(idsOf(await store.contextOf(id))).toEqual([system, ...idsOf([first, ...rows.slice(3), later])])

  const second = { ...summary('two'), agentId: id }
  await store.compactContext(tenant, id, idsOf([first, rows[3]!, rows[5]!]), second)
  const context = [system, ...idsOf([second, rows[4]!, later])]
  expect(idsOf(await store.contextOf(id))).toEqual(context)
  expect((await state()).message_ids).toEqual(context)
  const listed = await store.listMessages(tenant, { agent: id }, pageQuery({ limit: 50, order: 'asc' }).parse({}))
  expect(idsOf(listed)).toEqual([system, ...idsOf([...rows, first, later, second])])
})

test('of two that compact the same rows one wins, and the other changes nothing', async () => {
  const { store, tenant, id, rows } = await agentWith(4)
  const [one, other] = [summary('one'), summary('other')].map((made) => ({ ...made, agentId: id }))
  await store.compactContext(tenant, id, idsOf(rows.slice(0, 2)), one!)
  await expect(store.compactContext(tenant, id, idsOf(rows.slice(0, 3)), other!)).rejects.toThrow(Conflict)
  expect(idsOf(await store.contextOf(id)).slice(1)).toEqual(idsOf([one!, rows[2]!, rows[3]!]))
})

test('another tenant compacts nothing', async () => {
  const { store, id, rows } = await agentWith(2)
  const before = await store.contextOf(id)
  await expect(store.compactContext('org-other', id, idsOf(rows), { ...summary('x'), agentId: id })).rejects.toThrow(Conflict)
  expect(await store.contextOf(id)).toEqual(before)
  await expect(store.findAgent('org-other', id)).rejects.toThrow(NotFound)
})
