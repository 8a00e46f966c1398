import type { Block } from '../wire/block.ts'
import { type BuiltinTool, stringArg, ToolError, type ToolCallContext } from './tool.ts'

/*
 * The tools with which an agent changes its own memory blocks (groups.md §5.2). Each edit is made to the value that the block
 * has at that moment, in one transaction, so members who share a block never undo each other's edits.
 */

const label = { type: 'string', description: 'The label of the memory block.' }
const schema = (properties: Record<string, unknown>, required: string[]) => ({ type: 'object', properties, required })

export const coreMemoryAppend: BuiltinTool = {
  name: 'core_memory_append',
  type: 'letta_memory_core',
  description: 'Adds a line at the end of a memory block.',
  parameters: schema({ label, content: { type: 'string', description: 'The text to add.' } }, ['label', 'content']),
  run: (args, call) => {
    const content = stringArg(args, 'content')
    return edit(args, call, ({ value }) => (value === '' ? content : `${value}\n${content}`))
  },
}

export const coreMemoryReplace: BuiltinTool = {
  name: 'core_memory_replace',
  type: 'letta_memory_core',
  description: 'Replaces a text in a memory block, wherever it stands there. An empty new text deletes it.',
  parameters: schema(
    {
      label,
      old_content: { type: 'string', description: 'The text to replace, exactly as it stands there.' },
      new_content: { type: 'string', description: 'The text to put in its place.' },
    },
    ['label', 'old_content', 'new_content'],
  ),
  run: (args, call) => {
    const old = stringArg(args, 'old_content')
    const fresh = stringArg(args, 'new_content')
    return edit(args, call, ({ value, label: name }) => {
      if (old === '' || !value.includes(old)) throw new ToolError(`Old content '${old}' not found in memory block '${name}'`)
      return value.replaceAll(old, () => fresh)
    })
  },
}

export const memoryReplace: BuiltinTool = {
  name: 'memory_replace',
  type: 'letta_sleeptime_core',
  description: 'Replaces a text that stands exactly once in a memory block. An empty new text deletes it.',
  parameters: schema(
    {
      label,
      old_string: { type: 'string', description: 'The text to replace, exactly as it stands there.' },
      new_string: { type: 'string', description: 'The text to put in its place.' },
    },
    ['label', 'old_string', 'new_string'],
  ),
  run: (args, call) => {
    const old = stringArg(args, 'old_string')
    const fresh = stringArg(args, 'new_string')
    return edit(args, call, ({ value, label: name }) => {
      const found = old === '' ? 0 : value.split(old).length - 1
      if (found === 0) throw new ToolError(`The text to replace is not in memory block '${name}'; it must match exactly`)
      if (found > 1) throw new ToolError(`The text to replace stands ${found} times in memory block '${name}'; give more of it`)
      return value.replace(old, () => fresh)
    })
  },
}

export const memoryInsert: BuiltinTool = {
  name: 'memory_insert',
  type: 'letta_sleeptime_core',
  description: 'Inserts lines into a memory block.',
  parameters: schema(
    {
      label,
      new_string: { type: 'string', description: 'The text to insert.' },
      insert_line: { type: 'integer', description: 'After which line: 0 is the beginning, -1 the end.', default: -1 },
    },
    ['label', 'new_string'],
  ),
  run: (args, call) => {
    const fresh = stringArg(args, 'new_string')
    const after = args['insert_line'] ?? -1
    return edit(args, call, ({ value }) => {
      const lines = value === '' ? [] : value.split('\n')
      if (typeof after !== 'number' || !Number.isInteger(after) || after < -1 || after > lines.length) {
        throw new ToolError(`insert_line must be a whole number from -1 to ${lines.length}`)
      }
      return lines.toSpliced(after === -1 ? lines.length : after, 0, fresh).join('\n')
    })
  },
}

/** @returns the block's new value */
async function edit(
  args: Record<string, unknown>,
  { store, tenant, agent }: ToolCallContext,
  change: (block: Block) => string,
) {
  const wanted = stringArg(args, 'label')
  const known = agent.blocks.find((block) => block.label === wanted)
  if (!known) {
    const labels = agent.blocks.map((block) => block.label).join(', ')
    throw new ToolError(`There is no memory block '${wanted}'; there are: ${labels || 'none'}`)
  }
  const { value } = await store.editBlock(tenant, known.id, (block) => {
    if (block.read_only) throw new ToolError(`Memory block '${wanted}' is read-only and cannot be edited`)
    const next = change(block)
    if (next.length > block.limit) {
      throw new ToolError(`Memory block '${wanted}' would have ${next.length} characters; its limit is ${block.limit}`)
    }
    return next
  })
  return value
}
