import Database from 'better-sqlite3'
import fc from 'fast-check'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqlite } from '../../src/db/sqlite.ts'
import type { Store } from '../../src/db/store.ts'
import { StorageTrouble } from '../../src/errors.ts'
import { newId } from '../../src/wire/id.ts'
import { smallDisk } from '../support/disk.ts'
import { text } from '../support/history.ts'
import { tempFolder } from '../support/server.ts'
import { callOf, say } from '../tools/build.ts'
import { emptyStore, tenantIn } from './build.ts'

const all = { tags: [], allTags: false, limit: 100 }

async function agentThatHeard(...said: Parameters<typeof say>[3]) {
  const { store, tenant, agent, group } = await emptyStore()
  const { id } = await agent({ message_buffer_autoclear: false })
  const ids = await say(store, tenant, id, said)
  return { store, tenant, agent, group, id, ids, find: finderOf(store, tenant, id) }
}

const finderOf =
  (store: Store, tenant: string, id: string) =>
  async (query: string, limit = 100) =>
    (await store.searchMessages(tenant, id, { text: query, limit })).map((found) => found.text)

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.lorem())

test('any text with a word in it is found by itself', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent()
  const withWord = anyText.filter((said) => /[a-z0-9]/i.test(said))
  await fc.assert(
    fc.asyncProperty(withWord, async (said) => {
      const [message] = await say(store, tenant, id, [said])
      const messages = await store.searchMessages(tenant, id, { text: said, limit: 1000 })
      expect(messages).toContainEqual(expect.objectContaining({ id: message, text: said }))
      const [passage] = await store.addPassages(tenant, id, [{ text: said, tags: [] }])
      const passages = await store.searchPassages(tenant, id, said, { ...all, limit: 1000 })
      expect(passages).toContainEqual(expect.objectContaining({ id: passage!.id, text: said }))
    }),
    { numRuns: 200 },
  )
})

test('no query is a syntax error', async () => {
  const { store, tenant, id, find } = await agentThatHeard('something')
  await fc.assert(
    fc.asyncProperty(anyText, async (query) => {
      await find(query)
      await store.searchPassages(tenant, id, query, all)
    }),
  )
})

test.each([
  '"',
  "'",
  'a" OR "b',
  'NEAR(a b)',
  'AND',
  'NOT',
  'agent:x',
  '-',
  '*',
  '^',
  '{text} : a',
  '\0',
  '\u{d800}',
  '(((',
  '%_',
])('a query may be %j', async (query) => {
  const { find } = await agentThatHeard('something else entirely')
  expect(await find(`${query} entirely`)).toEqual(['something else entirely'])
  await find(query)
})

test('the best match comes first: by stem, without accents or case', async () => {
  const { find, store, tenant, id } = await agentThatHeard('A cat.', 'My dogs run in the café', 'One dog', 'Nothing')
  expect((await find('CAFE dog running'))[0]).toBe('My dogs run in the café')
  expect((await find('dog')).toSorted()).toEqual(['My dogs run in the café', 'One dog'])
  const found = await store.searchMessages(tenant, id, { text: 'dog café', limit: 5 })
  expect(found.map(({ relevance }) => relevance)).toEqual([1, expect.toSatisfy((second: number) => second > 0 && second < 1)])
})

test('without a word in the query the newest come first', async () => {
  const { find } = await agentThatHeard('one', 'two', 'three')
  expect(await find('', 2)).toEqual(['three', 'two'])
  expect(await find(' ?! ', 2)).toEqual(['three', 'two'])
})

test('words are found inside sentences that have no spaces', async () => {
  const { find } = await agentThatHeard('我昨天去了东京塔', '京都很美', 'Tokyo tower')
  expect(await find('东京塔')).toEqual(['我昨天去了东京塔'])
  expect(await find('tower 京都')).toEqual(['Tokyo tower', '京都很美'])
})

test('what was said is found, and nothing else', async () => {
  const row = (role: 'assistant' | 'tool' | 'system' | 'approval' | 'summary', ...parts: ReturnType<typeof text>[]) => ({
    role,
    parts,
  })
  const { find } = await agentThatHeard(
    row('assistant', { type: 'reasoning', reasoning: 'zebra thought', is_native: true }, text('zebra spoken')),
    row('assistant', callOf('send_message', { message: 'zebra sent' })),
    row('assistant', callOf('send_message', '{"message": "zebra torn')),
    row('assistant', callOf('fetch', { url: 'zebra' })),
    row('assistant', text('zebra sought'), callOf('conversation_search', { query: 'zebra' })),
    row('approval', text('zebra waits'), callOf('fetch', { url: 'zebra' })),
    row('tool', { type: 'tool_return', tool_call_id: '1', content: 'zebra result', is_error: false }),
    row('summary', text('zebra summary')),
    { ...row('system', text('zebra heard')), heard: true, name: 'Ben' },
  )
  expect((await find('zebra')).toSorted()).toEqual(['zebra heard', 'zebra sent', 'zebra spoken', 'zebra waits'])
  expect((await find('')).length).toBe(4)
  // The system prompt is not: "Be brief."
  expect(await find('brief')).toEqual([])
})

test('a search sees one agent of one tenant', async () => {
  const { store, tenant, agent, id } = await agentThatHeard('a secret')
  const other = await agent()
  const stranger = await tenantIn(store)
  await store.addPassages(tenant, id, [{ text: 'a secret', tags: [] }])
  for (const [who, whose] of [
    [tenant, other.id],
    [stranger.tenant, id],
    [tenant, id],
  ] as const) {
    const count = who === tenant && whose === id ? 1 : 0
    expect(await store.searchMessages(who, whose, { text: 'secret', limit: 5 })).toHaveLength(count)
    expect(await store.searchMessages(who, whose, { text: '', limit: 5 })).toHaveLength(count)
    expect(await store.searchPassages(who, whose, 'secret', all)).toHaveLength(count)
    expect(await store.countPassages(who, whose)).toBe(count)
  }
})

test('however many are said before anybody searches, each is found, once', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent()
  const find = finderOf(store, tenant, id)
  const said: string[] = []
  for (let n = 0; n < 150; n++) {
    said.push(`pear ${n}`)
    const [message] = await say(store, tenant, id, [`plum ${n}`])
    // Whether or not its words are in the index already.
    await store.setParts(message!, [text(`pear ${n}`)])
    if (n % 45 === 0) expect((await find('pear', 1000)).toSorted()).toEqual(said.toSorted())
  }
  expect((await find('pear', 1000)).toSorted()).toEqual(said.toSorted())
  expect(await find('plum')).toEqual([])
})

test('what was said just before the process ended is found by the next one', async () => {
  const file = `file:${join(tempFolder(), 'test.db')}`
  const before = openSqlite(file, 'migrations/sqlite')
  const { tenant, agent } = await tenantIn(before)
  const { id } = await agent()
  await say(before, tenant, id, ['a pear', 'a plum'])
  await before.close()
  const store = openSqlite(file, 'migrations/sqlite')
  onTestFinished(() => store.close())
  await say(store, tenant, id, ['another pear'])
  expect((await finderOf(store, tenant, id)('pear')).toSorted()).toEqual(['a pear', 'another pear'])
})

test('F26 while another process holds the lock, what was said just before is found, too', async () => {
  const path = join(tempFolder(), 'test.db')
  const store = openSqlite(`file:${path}`, 'migrations/sqlite', { busyMs: 0, retryMs: 0 })
  onTestFinished(() => store.close())
  const { tenant, agent } = await tenantIn(store)
  const { id } = await agent()
  const find = finderOf(store, tenant, id)
  await say(store, tenant, id, ['a ripe pear', 'a plum'])
  expect(await find('pear')).toEqual(['a ripe pear'])
  await say(store, tenant, id, ['another PEAR', 'a fig'])
  const other = new Database(path)
  onTestFinished(() => void other.close())
  other.exec('BEGIN IMMEDIATE')
  for (let n = 0; n < 2; n++) expect(await find('pear')).toEqual(['a ripe pear', 'another PEAR'])
  expect(await find('fig')).toEqual(['a fig'])
  expect(await find('', 2)).toEqual(['a fig', 'another PEAR'])
  await expect(say(store, tenant, id, ['a pear too many'])).rejects.toThrow(StorageTrouble)
  other.exec('COMMIT')
  expect((await find('pear')).toSorted()).toEqual(['a ripe pear', 'another PEAR'])
})

test('F17 on a full disk all is found that was said', async ({ skip }) => {
  const disk = smallDisk(12)
  if (!disk) return skip('this machine lets nobody mount a disk')
  const store = openSqlite(`file:${join(disk.folder, 'test.db')}`, 'migrations/sqlite')
  const { tenant, agent } = await tenantIn(store)
  const { id } = await agent()
  const find = finderOf(store, tenant, id)
  await say(store, tenant, id, ['pear'])
  expect(await find('pear')).toEqual(['pear'])
  const said = ['pear', 'another pear']
  await say(store, tenant, id, ['another pear'])
  disk.fill()
  const refused = async () => {
    const more = `${said.length} pear ${'x'.repeat(5000)}`
    try {
      await say(store, tenant, id, [more])
      said.push(more)
      return false
    } catch (error) {
      expect(error).toBeInstanceOf(StorageTrouble)
      return true
    }
  }
  // Until there is no room in the files either.
  while (!(await refused()));
  expect((await find('pear', 10_000)).toSorted()).toEqual(said.toSorted())
  disk.empty()
  expect((await find('pear', 10_000)).toSorted()).toEqual(said.toSorted())
  await store.close()
})

test('what is changed is found as it is now, what is deleted not at all', async () => {
  const { store, tenant, agent, group } = await emptyStore()
  const { id } = await agent()
  const { id: groupId } = await group({ agent_ids: [id] })
  const find = finderOf(store, tenant, id)
  const [kept] = await say(store, tenant, id, ['apple', { parts: [text('pear')], groupId }])
  await store.setParts(kept!, [text('quince')])
  expect(await find('apple')).toEqual([])
  expect(await find('quince')).toEqual(['quince'])
  await store.resetGroup(tenant, groupId)
  expect(await find('pear')).toEqual([])
  await store.resetAgent(tenant, id)
  expect(await find('quince'), 'out of context, and still remembered').toEqual(['quince'])
})

test('roles and dates are bounds', async () => {
  const { store, tenant, id } = await agentThatHeard(
    { parts: [text('fig one')], date: 1000 },
    { parts: [text('fig two')], date: 2000, role: 'assistant' },
    { parts: [text('fig three')], date: 3000 },
  )
  const find = async (search: object) =>
    (await store.searchMessages(tenant, id, { text: 'fig', limit: 9, ...search }))
      .map((found) => found.date)
      .toSorted((a, b) => a - b)
  expect(await find({ from: 2000 })).toEqual([2000, 3000])
  expect(await find({ to: 2000 })).toEqual([1000, 2000])
  expect(await find({ from: 1001, to: 2999 })).toEqual([2000])
  expect(await find({ roles: ['user'] })).toEqual([1000, 3000])
  expect(await find({ roles: [] })).toEqual([])
})

test('what the run that goes on has in view is not found again', async () => {
  const { store, tenant, id, find } = await agentThatHeard('my dog is Rex')
  await say(store, tenant, id, ['what is my dog called?'], id)
  expect(await find('dog')).toEqual(['my dog is Rex'])
})

test('passages go by tags, any or all of them', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent()
  const passages = [['x'], ['x', 'y'], ['y', 'z'], []].map((tags) => ({ text: `note ${tags.join('') || 'bare'}`, tags }))
  await store.addPassages(tenant, id, passages)
  const find = async (tags: string[], allTags: boolean, words = 'note') =>
    (await store.searchPassages(tenant, id, words, { tags, allTags, limit: 9 })).map((one) => one.text).toSorted()
  expect(await find([], true)).toHaveLength(4)
  expect(await find(['x', 'z'], false)).toEqual(['note x', 'note xy', 'note yz'])
  expect(await find(['y', 'x', 'x'], true)).toEqual(['note xy'])
  expect(await find(['y'], true, '')).toEqual(['note xy', 'note yz'])
})

test('the nearest vectors of one model come first, with the same bounds', async () => {
  const { store, tenant, agent } = await emptyStore()
  const { id } = await agent()
  const vector = (values: number[], model = 'm') => ({ model, values })
  await store.addPassages(tenant, id, [
    { text: 'east', tags: ['e'], vector: vector([2, 0]) },
    { text: 'north', tags: [], vector: vector([0, 3]) },
    { text: 'north-east', tags: ['e'], vector: vector([1, 1]) },
    { text: 'elsewhere', tags: [], vector: vector([1, 0], 'another') },
    { text: 'longer', tags: [], vector: vector([1, 0, 0]) },
    { text: 'unread', tags: [] },
  ])
  const near = async (filter: object = {}) =>
    (await store.nearestPassages(tenant, id, vector([5, 1]), { ...all, ...filter })).map((one) => one.text)
  expect(await near()).toEqual(['east', 'north-east', 'north'])
  expect(await near({ limit: 1 })).toEqual(['east'])
  expect(await near({ to: 0 })).toEqual([])
  const unread = await store.passagesWithoutVector(tenant, id, 'm', 9)
  expect(unread.map((one) => one.text)).toEqual(['unread', 'elsewhere'])
  await store.setVectors(
    tenant,
    unread.map((one) => ({ id: one.id, vector: vector([5, 1]) })),
  )
  expect((await near({ limit: 2 })).toSorted()).toEqual(['elsewhere', 'unread'])
})

test('an agent takes what it said and kept with it', async () => {
  const { store, tenant, id } = await agentThatHeard('gone')
  await store.addPassages(tenant, id, [{ text: 'gone', tags: [] }])
  await store.deleteAgent(tenant, id)
  expect(await store.countPassages(tenant, id)).toBe(0)
  expect(await store.searchPassages(tenant, id, 'gone', all)).toEqual([])
  expect(await store.searchMessages(tenant, id, { text: 'gone', limit: 9 })).toEqual([])
  await expect(store.changeMemory(tenant, newId('agent'), () => [])).rejects.toThrow('not found')
})
