import { expect, test } from 'vitest'
import { type Embed, ToolError } from '../../src/tools/tool.ts'
import { emptyStore } from '../db/build.ts'
import { text } from '../support/history.ts'
import { captureLogs } from '../support/logs.ts'
import { callOf, say, toolsOf } from './build.ts'

async function remembering({ timezone = 'UTC', embed }: { timezone?: string; embed?: Embed } = {}) {
  const { store, tenant, agent, group } = await emptyStore()
  const made = await agent({ timezone, memory_blocks: [{ label: 'human', value: 'Ana' }] })
  const use = toolsOf(store, tenant, made, embed)
  return {
    store,
    tenant,
    agent,
    group,
    made,
    use,
    json: async (name: string, args: Record<string, unknown> = {}) => JSON.parse(await use(name, args)),
    heard: (...said: Parameters<typeof say>[3]) => say(store, tenant, made.id, said),
  }
}

const at = (iso: string, ...words: string[]) => ({ parts: [text(words.join(' ') || iso)], date: Date.parse(iso) })

test('conversation_search shows what was said, when and by whom', async () => {
  const { json, heard } = await remembering({ timezone: 'Europe/Berlin' })
  await heard(
    at('2026-01-31T23:30:00.400Z', 'We saw a heron'),
    { ...at('2026-07-01T12:00:00Z', 'A heron it was!'), role: 'system', heard: true, name: 'Ben' },
    { role: 'assistant', parts: [callOf('send_message', { message: 'Nice, a heron and a heron!' })], name: 'Ana' },
  )
  const { message, results } = await json('conversation_search', { query: 'heron', limit: 5 })
  expect(message).toBe('Showing 3 results:')
  const byContent = Object.fromEntries(results.map((one: { content: string }) => [one.content, one]))
  expect(byContent).toMatchObject({
    'We saw a heron': { timestamp: '2026-02-01T00:30:00+01:00', role: 'user' },
    'A heron it was!': { timestamp: '2026-07-01T14:00:00+02:00', role: 'system', name: 'Ben' },
    'Nice, a heron and a heron!': { time_ago: expect.stringMatching(/^\d seconds ago$/), role: 'assistant', name: 'Ana' },
  })
  expect(byContent['We saw a heron'].time_ago).toMatch(/ago$/)
  expect(results[0].relevance).toBe(1)
})

test('conversation_search without a query shows the newest, without ranks', async () => {
  const { json, heard } = await remembering()
  expect(await json('conversation_search')).toEqual({ message: 'No results found.', results: [] })
  await heard('one', 'two', 'three', 'four', 'five', 'six')
  const { results } = await json('conversation_search', { query: null })
  expect(results.map((one: { content: string }) => one.content)).toEqual(['six', 'five', 'four', 'three', 'two'])
  expect(results[0]).not.toHaveProperty('relevance')
  expect((await json('conversation_search', { limit: 1 })).results).toHaveLength(1)
})

test('roles choose who spoke', async () => {
  const { json, heard } = await remembering()
  await heard('asked', { role: 'assistant', parts: [text('answered')] }, { role: 'system', parts: [text('overheard')] })
  const by = async (...roles: string[]) =>
    (await json('conversation_search', { roles })).results.map((one: { content: string }) => one.content).toSorted()
  expect(await by()).toEqual(['answered', 'asked', 'overheard'])
  expect(await by('user')).toEqual(['asked', 'overheard'])
  expect(await by('assistant')).toEqual(['answered'])
  expect(await by('assistant', 'user', 'tool')).toEqual(['answered', 'asked', 'overheard'])
  expect(await by('tool')).toEqual([])
})

const utcDay = ['2026-03-02T00:00:00.000Z', '2026-03-02T12:00:00.500Z', '2026-03-02T23:59:59.999Z']
const spans: [string, string, Record<string, string>, string[]][] = [
  ['a day to its end', 'UTC', { start_date: '2026-03-02', end_date: '2026-03-02' }, utcDay],
  ['a minute to its end', 'UTC', { end_date: '2026-03-02T12:00' }, utcDay.slice(0, 2)],
  ['a second to its end', 'UTC', { end_date: '2026-03-02 12:00:00' }, utcDay.slice(0, 2)],
  ['the day before', 'UTC', { end_date: '2026-03-01' }, []],
  ['from a time on', 'UTC', { start_date: '2026-03-02T12:00:01Z' }, utcDay.slice(2)],
  ['the clock of the agent', 'America/New_York', { start_date: '2026-03-02' }, utcDay.slice(1)],
  ['and its day', 'America/New_York', { end_date: '2026-03-01' }, utcDay.slice(0, 1)],
  ['an offset wins', 'America/New_York', { start_date: '2026-03-02T02:00:00+02:00' }, utcDay],
  ['no such zone is UTC', 'Mars/Base', { start_date: '2026-03-02', end_date: '2026-03-02' }, utcDay],
]
test.each(spans)('dates are inclusive: %s (%s, %j)', async (_, timezone, span, expected) => {
  const { json, heard } = await remembering({ timezone })
  await heard(...utcDay.map((iso) => at(iso)))
  const { results } = await json('conversation_search', span)
  expect(results.map((one: { content: string }) => one.content).toSorted()).toEqual(expected)
})

test('a day of the agent may have 23 hours', async () => {
  const { json, heard } = await remembering({ timezone: 'Europe/Berlin' })
  await heard(at('2026-03-28T23:00:00Z', 'first'), at('2026-03-29T21:59:59Z', 'last'), at('2026-03-29T22:00:00Z', 'next'))
  const { results } = await json('conversation_search', { start_date: '2026-03-29', end_date: '2026-03-29' })
  expect(results.map((one: { content: string }) => one.content)).toEqual(['last', 'first'])
})

test.each([
  ['conversation_search', { query: 7 }, /"query" must be a string/],
  ['conversation_search', { roles: ['ghost'] }, /no role 'ghost'/],
  ['conversation_search', { roles: 'user' }, /list of strings/],
  ['conversation_search', { limit: 0 }, /from 1 to 50/],
  ['conversation_search', { limit: 2.5 }, /whole number/],
  ['conversation_search', { start_date: 'yesterday' }, /"start_date" must be a date/],
  ['conversation_search', { end_date: '2026-02-30' }, /"end_date" must be a date/],
  ['conversation_search', { end_date: '2026-02-03T25:00' }, /must be a date/],
  ['archival_memory_insert', { content: ' ' }, /empty/],
  ['archival_memory_insert', { content: 'x', tags: [1] }, /list of strings/],
  ['archival_memory_search', {}, /"query" must be a string/],
  ['archival_memory_search', { query: 'x', tag_match_mode: 'some' }, /one of any, all/],
  ['store_memories', { chunks: [{ start_index: 0, end_index: 1 }] }, /needs a "context"/],
  ['store_memories', { chunks: 'x' }, /must be a list/],
  ['search_memory', { start_minutes_ago: -1 }, /from 0/],
])('%s refuses %j in words', async (name, args, reason) => {
  const { use } = await remembering()
  await expect(use(name, args)).rejects.toThrow(reason)
  await expect(use(name, args)).rejects.toBeInstanceOf(ToolError)
})

test('long messages are shown in part', async () => {
  const { json, heard } = await remembering()
  await heard('x'.repeat(6000))
  const { results } = await json('conversation_search')
  expect(results[0].content).toMatch(/^x{5000}… \(1000 more characters\)$/)
})

test('the archive gives back what was put in, by words', async () => {
  const { use, json } = await remembering()
  expect(await use('archival_memory_insert', { content: 'Ana bakes bread', tags: ['ana', 'food'] })).toBe('None')
  await use('archival_memory_insert', { content: 'Ben likes bread', tags: ['ben', 'food'] })
  await use('archival_memory_insert', { content: 'Rain' })
  const find = async (args: object) =>
    (await json('archival_memory_search', { query: 'breads', ...args }))
      .map((one: { content: string }) => one.content)
      .toSorted()
  expect(await find({})).toEqual(['Ana bakes bread', 'Ben likes bread'])
  expect(await find({ tags: ['ben', 'ana'] })).toHaveLength(2)
  expect(await find({ tags: ['food', 'ana'], tag_match_mode: 'all' })).toEqual(['Ana bakes bread'])
  expect(await find({ top_k: 1 })).toHaveLength(1)
  expect(await find({ end_datetime: '2020-01-01' })).toEqual([])
  expect(await find({ start_datetime: '2020-01-01' })).toHaveLength(2)
  expect((await json('archival_memory_search', { query: 'rain' }))[0]).toEqual({
    id: expect.stringMatching(/^passage-[0-9a-f-]{36}$/),
    timestamp: expect.stringMatching(/\+00:00$/),
    content: 'Rain',
    tags: [],
    relevance: 1,
  })
})

/** Knows two meanings; fails when told to. */
function scriptedEmbed() {
  const state = { fails: false, asked: [] as string[] }
  const embed = Object.assign(
    async (texts: string[]) => {
      state.asked.push(...texts)
      if (state.fails) throw new Error('embedding is down')
      return texts.map((one) => [/bread|baker|cake/i.test(one) ? 1 : 0, /rain|storm|weather/i.test(one) ? 1 : 0, 0.1])
    },
    { model: 'scripted/embed' },
  )
  return { embed, state }
}

test('with an embedding model the archive goes by meaning', async () => {
  const { embed } = scriptedEmbed()
  const { use, json } = await remembering({ embed })
  for (const content of ['Bread', 'Storm', 'Cake']) await use('archival_memory_insert', { content })
  const found = await json('archival_memory_search', { query: 'the weather', top_k: 1 })
  expect(found).toMatchObject([{ content: 'Storm', relevance: 1 }])
})

test('when the embedding model fails nothing is lost, and what it missed it reads later', async () => {
  const { lines } = captureLogs()
  const { embed, state } = scriptedEmbed()
  const { use, json } = await remembering({ embed })
  state.fails = true
  await use('archival_memory_insert', { content: 'Storm over the sea' })
  await use('archival_memory_insert', { content: 'Bread' })
  expect(await json('archival_memory_search', { query: 'sea' })).toMatchObject([{ content: 'Storm over the sea' }])
  expect(lines).toHaveLength(3)
  state.fails = false
  expect((await json('archival_memory_search', { query: 'weather' }))[0]).toMatchObject({ content: 'Storm over the sea' })
  state.asked.length = 0
  await json('archival_memory_search', { query: 'weather' })
  expect(state.asked, 'it reads nothing twice').toEqual(['weather'])
})

test('the agent behind a voice conversation stores for the one that talks, which finds it', async () => {
  const { store, tenant, agent, group, made, json, use, heard } = await remembering()
  const behind = await agent({ block_ids: [made.blocks[0]!.id] })
  const useBehind = toolsOf(store, tenant, behind)
  const chunks = [{ start_index: 0, end_index: 3, context: 'Ana plans a trip to Rome' }]
  expect(await useBehind('store_memories', { chunks })).toBe('Stored 1 memories.')
  expect(await store.countPassages(tenant, behind.id), 'without a group they are its own').toBe(1)
  await group({
    agent_ids: [behind.id],
    manager_config: { manager_type: 'voice_sleeptime', manager_agent_id: made.id },
  })
  await useBehind('store_memories', { chunks })
  expect(await store.countPassages(tenant, made.id)).toBe(1)
  expect(await useBehind('rethink_user_memory', { new_memory: 'Ana, off to Rome' })).toBe('Ana, off to Rome')
  expect((await store.findAgentBlock(tenant, made.id, 'human')).value).toBe('Ana, off to Rome')
  expect(await useBehind('finish_rethinking_memory')).toBe('None')
  await heard('Rome it is', at('2020-01-01T00:00:00Z', 'Rome, long ago'))
  const found = await json('search_memory', {
    convo_keyword_queries: ['Rome', 'trip'],
    start_minutes_ago: 60,
    end_minutes_ago: null,
  })
  expect(found.conversation).toMatchObject([{ content: 'Rome it is' }])
  expect(found.archive).toMatchObject([{ content: 'Ana plans a trip to Rome' }])
  expect(JSON.parse(await use('search_memory', {})).conversation).toHaveLength(2)
})
