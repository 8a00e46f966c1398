import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LINE_NUMBER_BANNER } from '../../src/tools/memory-edit.ts'
import { ToolError } from '../../src/tools/tool.ts'
import type { CreateBlock } from '../../src/wire/block.ts'
import { emptyStore, labelsOf } from '../db/build.ts'
import { toolsOf } from './build.ts'

/** An agent whose block `facts` holds `value`, and its tools. */
async function remembering(value = '', block: Partial<CreateBlock> = {}) {
  const { store, tenant, agent, block: newBlock } = await emptyStore()
  const made = await agent({ memory_blocks: [{ label: 'facts', value, ...block }] })
  const use = toolsOf(store, tenant, made)
  const read = async (label = 'facts') => (await store.findAgentBlock(tenant, made.id, label)).value
  return { store, tenant, agent, newBlock, made, use, read, labels: () => labelsOf(store, tenant, made.id) }
}

const facts = { label: 'facts' }
const path = '/memories/facts'

const edits: [string, string, Record<string, unknown>, string, string][] = [
  ['core_memory_append', 'a new line', { ...facts, content: 'two' }, 'one', 'one\ntwo'],
  ['core_memory_append', 'the first line', { ...facts, content: 'one' }, '', 'one'],
  ['core_memory_replace', 'every match', { ...facts, old_content: 'a', new_content: '$&' }, 'a b a', '$& b $&'],
  ['core_memory_replace', 'nothing in its place', { ...facts, old_content: ' b', new_content: '' }, 'a b', 'a'],
  ['memory_replace', 'the one match', { ...facts, old_string: 'b', new_string: '$1' }, 'a b', 'a $1'],
  ['memory_replace', 'tabs', { ...facts, old_string: 'a\tb', new_string: 'c' }, 'a\tb', 'c'],
  ['memory_replace', 'spaces for tabs', { ...facts, old_string: 'a       b', new_string: 'c' }, 'x\na\tb', 'x\nc'],
  ['memory_replace', 'tabs for spaces', { ...facts, old_string: 'a\tb', new_string: 'c' }, 'a       b', 'c'],
  ['memory_insert', 'the end', { ...facts, new_string: 'z' }, 'a\nb', 'a\nb\nz'],
  ['memory_insert', 'null is the end', { ...facts, new_string: 'z', insert_line: null }, 'a', 'a\nz'],
  ['memory_insert', 'the beginning', { ...facts, new_string: 'z', insert_line: 0 }, 'a\nb', 'z\na\nb'],
  ['memory_insert', 'after a line', { ...facts, new_string: 'y\nz', insert_line: 1 }, 'a\nb', 'a\ny\nz\nb'],
  ['memory_insert', 'into nothing', { ...facts, new_string: 'z', insert_line: 0 }, '', 'z'],
  ['memory_rethink', 'the whole', { ...facts, new_memory: 'new' }, 'old', 'new'],
  ['memory', 'str_replace', { command: 'str_replace', path, old_string: 'b', new_string: 'c' }, 'a b', 'a c'],
  ['memory', 'str_replace by nothing', { command: 'str_replace', path, old_string: ' b' }, 'a b', 'a'],
  ['memory', 'insert', { command: 'insert', path, insert_text: 'z' }, 'a', 'a\nz'],
  ['memory', 'insert after a line', { command: 'insert', path, insert_text: 'z', insert_line: 0 }, 'a', 'z\na'],
  ['memory', 'a label alone', { command: 'insert', path: 'facts', insert_text: 'z' }, 'a', 'a\nz'],
  ['memory_apply_patch', 'a hunk', { ...facts, patch: '@@\n a\n-b\n+c\n d\n' }, 'a\nb\nd', 'a\nc\nd'],
  ['memory_apply_patch', 'no mark of a hunk', { ...facts, patch: '-b\n+c' }, 'a\nb', 'a\nc'],
  [
    'memory_apply_patch',
    'a whole diff',
    {
      ...facts,
      patch: '--- a/facts\n+++ b/facts\n@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -4 +4 @@\n-d\n+D\n\\ No newline at end of file',
    },
    'a\nb\nc\nd',
    'A\nb\nc\nD',
  ],
  ['memory_apply_patch', 'a line of dashes', { ...facts, patch: '@@\n--- x\n+++ y' }, 'a\n-- x', 'a\n++ y'],
  ['memory_apply_patch', 'an empty line', { ...facts, patch: '@@\n a\n\n-b\n+c' }, 'a\n\nb', 'a\n\nc'],
  ['memory_apply_patch', 'hunks set apart', { ...facts, patch: '\n@@\n-a\n+A\n\n@@\n-b\n+B\n' }, 'a\nb', 'A\nB'],
  ['memory_apply_patch', 'an empty block', { ...facts, patch: '@@\n+a\n+b' }, '', 'a\nb'],
]
test.each(edits)('%s: %s', async (name, _, args, before, after) => {
  const { use, read } = await remembering(before)
  expect(await use(name, args)).toBe(after)
  expect(await read()).toBe(after)
})

const refused: [string, Record<string, unknown>, string, RegExp][] = [
  ['core_memory_append', { label: 'fcts', content: 'x' }, '', /no memory block 'fcts'; there are: facts/],
  ['core_memory_append', { ...facts }, '', /"content" must be a string/],
  ['core_memory_replace', { ...facts, old_content: 'x', new_content: '' }, 'a', /'x' not found in memory block 'facts'/],
  ['core_memory_replace', { ...facts, old_content: '', new_content: 'x' }, 'a', /not found/],
  ['memory_replace', { ...facts, old_string: 'x', new_string: '' }, 'a', /not in memory block 'facts'/],
  ['memory_replace', { ...facts, old_string: '', new_string: 'x' }, '', /empty/],
  ['memory_replace', { ...facts, old_string: 'a', new_string: '' }, 'a\nb a\nc\na', /3 times .* lines 1, 2, 4/],
  ['memory_insert', { ...facts, new_string: 'x', insert_line: 3 }, 'a\nb', /from -1 to 2/],
  ['memory_insert', { ...facts, new_string: 'x', insert_line: -2 }, 'a\nb', /from -1 to 2/],
  ['memory_insert', { ...facts, new_string: 'x', insert_line: '1' }, 'a\nb', /whole number/],
  ['memory_rethink', { label: 'new', new_memory: 'x' }, '', /no memory block 'new'/],
  ['memory_rethink', { ...facts, new_memory: 'x'.repeat(21) }, '', /would have 21 characters; its limit is 20/],
  ['memory', { command: 'view', path }, '', /no command 'view'; there are: create, str_replace/],
  ['memory', { command: 'toString', path }, '', /no command/],
  ['memory', { command: 'create', path, description: 'd' }, '', /'facts' already/],
  ['memory', { command: 'create', path: '/memories/', description: 'd' }, '', /\/memories\/<label>/],
  ['memory', { command: 'create', path: '/memories/x' }, '', /"description" must be a string/],
  ['memory', { command: 'delete', path: '/memories/x' }, '', /no memory block 'x'/],
  ['memory', { command: 'rename', old_path: path, new_path: '/memories/taken' }, '', /'taken' already/],
  ['memory', { command: 'rename', old_path: path, new_path: 'x'.repeat(600) }, '', /label: /],
  ['memory', { command: 'insert', path, insert_text: 'x', insert_line: 9 }, 'a', /from -1 to 1/],
  ['memory_apply_patch', { ...facts, patch: '@@\n-x\n+y' }, 'a', /not there, exactly so:\nx/],
  ['memory_apply_patch', { ...facts, patch: '@@\n-a\n+y' }, 'a\nb\na', /2 times \(1, 3\)/],
  ['memory_apply_patch', { ...facts, patch: '@@\n+y' }, 'a', /Say where it goes/],
  ['memory_apply_patch', { ...facts, patch: 'y' }, 'a', /begins with a space/],
  ['memory_apply_patch', { ...facts, patch: '\n@@\n' }, 'a', /no lines/],
  ['memory_apply_patch', { ...facts, patch: '*** Add Block: taken\n+x' }, 'a', /'taken' already/],
  ['memory_apply_patch', { ...facts, patch: '*** Add Block: n\nx' }, 'a', /begins with \+/],
  ['memory_apply_patch', { ...facts, patch: 'hm\n*** Delete Block: facts' }, 'a', /stands: hm/],
  ['memory_apply_patch', { ...facts, patch: '*** Delete Block: facts\n-x' }, 'a', /Nothing may follow/],
]
test.each(refused)('%s refuses %j of %j, and changes nothing', async (name, args, before, reason) => {
  const { store, tenant, made, newBlock, use, read, labels } = await remembering(before, { limit: 20 })
  await store.attachBlock(tenant, made.id, (await newBlock({ label: 'taken' })).id)
  await expect(use(name, args)).rejects.toThrow(reason)
  await expect(use(name, args)).rejects.toBeInstanceOf(ToolError)
  expect(await read()).toBe(before)
  expect(await labels()).toEqual(['facts', 'taken'])
})

const all: [string, Record<string, unknown>][] = [
  ['core_memory_append', { ...facts, content: 'NEW' }],
  ['core_memory_replace', { ...facts, old_content: 'a', new_content: 'NEW' }],
  ['memory_replace', { ...facts, old_string: 'a', new_string: 'NEW' }],
  ['memory_insert', { ...facts, new_string: 'NEW' }],
  ['memory_rethink', { ...facts, new_memory: 'NEW' }],
  ['memory', { command: 'str_replace', path, old_string: 'a', new_string: 'NEW' }],
  ['memory', { command: 'insert', path, insert_text: 'NEW' }],
  ['memory_apply_patch', { ...facts, patch: '-a\n+NEW' }],
  ['memory_apply_patch', { ...facts, patch: '*** Update Block: facts\n-a\n+NEW' }],
]
test.each(all)('%s %j keeps to the rules of all editors', async (name, args) => {
  const withText = (text: string) =>
    Object.fromEntries(Object.entries(args).map(([key, value]) => [key, String(value).replace('NEW', () => text)]))
  const frozen = await remembering('a', { read_only: true })
  await expect(frozen.use(name, withText('b'))).rejects.toThrow('read-only')
  const { use, read } = await remembering('a', { limit: 100 })
  await expect(use(name, withText('12→ b'))).rejects.toThrow('line number')
  await expect(use(name, withText(LINE_NUMBER_BANNER))).rejects.toThrow('line numbers')
  await expect(use(name, withText('x'.repeat(101)))).rejects.toThrow('its limit is 100')
  expect(await read()).toBe('a')
  await use(name, withText('tab\0→ 3'))
  expect(await read()).toContain('tab→ 3')
})

test('a block that is too long already may be shortened', async () => {
  const { use, read, store, tenant, made } = await remembering('x'.repeat(50))
  await store.updateBlock(tenant, made.blocks[0]!.id, { limit: 10 } as never)
  await expect(use('core_memory_append', { ...facts, content: 'y' })).rejects.toThrow('its limit is 10')
  await use('memory_rethink', { ...facts, new_memory: 'x'.repeat(49) })
  expect(await read()).toBe('x'.repeat(49))
})

test('memory makes, describes, renames and gives up blocks', async () => {
  const { use, store, tenant, made, labels, read } = await remembering('a')
  expect(await use('memory', { command: 'create', path: '/memories/plan/b', description: 'Plans', file_text: 'x' })).toMatch(
    /^Successfully made memory block 'plan\/b'; your system prompt was recompiled/,
  )
  expect(await read('plan/b')).toBe('x')
  await use('memory', { command: 'insert', path: '/memories/plan/b', insert_text: 'y' })
  await use('memory', { command: 'rename', path: '/memories/plan/b', description: 'New plans' })
  expect(await store.findAgentBlock(tenant, made.id, 'plan/b')).toMatchObject({ value: 'x\ny', description: 'New plans' })
  await use('memory', { command: 'rename', old_path: '/memories/plan/b', new_path: '/memories/plans' })
  expect(await labels()).toEqual(['facts', 'plans'])
  const { id } = await store.findAgentBlock(tenant, made.id, 'plans')
  expect(await use('memory', { command: 'delete', path: '/memories/plans' })).toMatch(/deleted memory block 'plans'/)
  expect(await labels()).toEqual(['facts'])
  expect((await store.findBlock(tenant, id)).value, 'the block itself is kept').toBe('x\ny')
})

test.each([
  { command: 'delete', path },
  { command: 'rename', old_path: path, new_path: 'x' },
  { command: 'rename', path, description: 'x' },
])('a read-only block stays as it is: %j', async (args) => {
  const { use, labels } = await remembering('a', { read_only: true })
  await expect(use('memory', args)).rejects.toThrow('read-only')
  expect(await labels()).toEqual(['facts'])
})

test('a patch of several blocks is applied as a whole', async () => {
  const { use, read, labels } = await remembering('a\nb')
  const patch = [
    '*** Begin Patch',
    '*** Add Block: people',
    'Description: Who is who',
    '+Ana: cook',
    '+',
    '+Ben: guest',
    '*** Update Block: facts',
    '*** Move to: truths',
    '@@',
    '-a',
    '+A',
    ' b',
    '*** Add Block: facts',
    '+free again',
    '*** End Patch',
  ].join('\n')
  expect(await use('memory_apply_patch', { label: '', patch })).toBe(
    'The patch was applied, and your system prompt recompiled.\nCreated: people, facts\nUpdated: facts -> truths\nRenamed: facts -> truths',
  )
  expect(await labels()).toEqual(['truths', 'people', 'facts'])
  expect(await read('truths')).toBe('A\nb')
  expect(await read('people')).toBe('Ana: cook\n\nBen: guest')
  const half = '*** Delete Block: people\n*** Update Block: truths\n-b\n+c\n*** Update Block: truths\n-nothing\n+d'
  await expect(use('memory_apply_patch', { label: '', patch: half })).rejects.toThrow('not there')
  expect(await labels(), 'a part that fails takes the others with it').toEqual(['truths', 'people', 'facts'])
  expect(await read('truths')).toBe('A\nb')
  expect(await use('memory_apply_patch', { label: '', patch: '*** Delete Block: people' })).toMatch(/\nDeleted: people$/)
})

test('a label that another holder of the block has already is refused in words', async () => {
  const { store, tenant, agent, newBlock } = await remembering()
  const shared = await newBlock({ label: 'shared' })
  const one = await agent({ block_ids: [shared.id] })
  await agent({ block_ids: [shared.id], memory_blocks: [{ label: 'mine', value: '' }] })
  const renamed = toolsOf(store, tenant, one)('memory', { command: 'rename', old_path: 'shared', new_path: 'mine' })
  await expect(renamed).rejects.toThrow(/already has a block labelled mine/)
  await expect(renamed).rejects.toBeInstanceOf(ToolError)
})

test('members who write one block at the same time lose nothing', async () => {
  const { store, tenant, agent, newBlock } = await remembering()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 3 }), { minLength: 2, maxLength: 20 }), async (ways) => {
      const { id } = await newBlock({ label: 'shared', value: 'start' })
      const members = await Promise.all([agent({ block_ids: [id] }), agent({ block_ids: [id] })])
      const label = 'shared'
      await Promise.all(
        ways.map((way, i) => {
          const use = toolsOf(store, tenant, members[i % 2]!)
          const line = `line ${i}.`
          if (way === 0) return use('core_memory_append', { label, content: line })
          if (way === 1) return use('memory_insert', { label, new_string: line, insert_line: 0 })
          if (way === 2) return use('memory_replace', { label, old_string: 'start', new_string: `start\n${line}` })
          return use('memory_apply_patch', { label, patch: ` start\n+${line}` })
        }),
      )
      const { value } = await store.findBlock(tenant, id)
      expect(value.split('\n').toSorted()).toEqual([...ways.map((_, i) => `line ${i}.`), 'start'].toSorted())
    }),
    { numRuns: 30 },
  )
})

test('finishing says nothing', async () => {
  const { use } = await remembering()
  expect(await use('memory_finish_edits')).toBe('None')
})
