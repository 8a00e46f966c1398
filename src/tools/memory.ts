import { editMemory, insertLines, memoryText, replaceOnce } from './memory-edit.ts'
import { type BuiltinTool, stringArg, ToolError } from './tool.ts'

/* The tools with which an agent edits one of its memory blocks, by its label (groups.md §5.2). */

const label = { type: 'string', description: 'The label of the memory block.' }
const schema = (properties: Record<string, unknown>, required: string[]) => ({ type: 'object', properties, required })

export const coreMemoryAppend: BuiltinTool = {
  name: 'core_memory_append',
  type: 'letta_memory_core',
  description: 'Adds a line at the end of a memory block.',
  parameters: schema({ label, content: { type: 'string', description: 'The text to add.' } }, ['label', 'content']),
  run: async (args, call) => {
    const content = memoryText(args, 'content')
    return editMemory(call, stringArg(args, 'label'), ({ value }) => (value === '' ? content : `${value}\n${content}`))
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
  run: async (args, call) => {
    const old = memoryText(args, 'old_content')
    const fresh = memoryText(args, 'new_content')
    return editMemory(call, stringArg(args, 'label'), ({ value, label: name }) => {
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
  run: async (args, call) => {
    const old = memoryText(args, 'old_string')
    const fresh = memoryText(args, 'new_string')
    return editMemory(call, stringArg(args, 'label'), (block) => replaceOnce(block, old, fresh))
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
      insert_line: { type: ['integer', 'null'], description: 'After which line: 0 is the beginning, -1 the end.', default: -1 },
    },
    ['label', 'new_string'],
  ),
  run: async (args, call) => {
    const fresh = memoryText(args, 'new_string')
    return editMemory(call, stringArg(args, 'label'), (block) => insertLines(block, fresh, args['insert_line']))
  },
}

export const memoryRethink: BuiltinTool = {
  name: 'memory_rethink',
  type: 'letta_sleeptime_core',
  description: 'Writes a memory block anew, as a whole. For small changes replace or insert text instead.',
  parameters: schema({ label, new_memory: { type: 'string', description: 'All that the block is to hold.' } }, [
    'label',
    'new_memory',
  ]),
  run: async (args, call) => {
    const fresh = memoryText(args, 'new_memory')
    return editMemory(call, stringArg(args, 'label'), () => fresh)
  },
}

export const memoryFinishEdits: BuiltinTool = {
  name: 'memory_finish_edits',
  type: 'letta_sleeptime_core',
  description: 'Call it when the memory is as it should be: it ends your turn.',
  parameters: schema({}, []),
  run: async () => 'None',
}
