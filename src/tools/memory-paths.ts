import {
  blockOf,
  changeMemory,
  editable,
  editMemory,
  insertLines,
  memoryText,
  newBlock,
  refuseTaken,
  replaceOnce,
} from './memory-edit.ts'
import { type BuiltinTool, stringArg, ToolError, type ToolCallContext } from './tool.ts'

type Args = Record<string, unknown>

const text = (description: string) => ({ type: 'string', description })

/** One tool for everything about memory blocks, which look like files to it (groups.md §5.2). */
export const memory: BuiltinTool = {
  name: 'memory',
  type: 'letta_memory_core',
  description: `Makes and changes memory blocks. A block is named by its path, /memories/<label>. Commands:
- create: path, description, and file_text for what is in it at first
- str_replace: path, old_string (it must stand there exactly once), new_string
- insert: path, insert_text, and insert_line: after which line (0 is the beginning; left out: the end)
- delete: path
- rename: old_path and new_path; or path and description, to describe a block anew`,
  parameters: {
    type: 'object',
    properties: {
      command: { type: 'string', enum: ['create', 'str_replace', 'insert', 'delete', 'rename'], description: 'What to do.' },
      path: text('The block, for all commands but a rename to another path.'),
      description: text('What the block is for.'),
      file_text: text('What is in a new block.'),
      old_string: text('The text to replace, exactly as it stands there.'),
      new_string: text('The text to put in its place.'),
      insert_text: text('The text to insert.'),
      insert_line: { type: ['integer', 'null'], description: 'The line to insert it after.' },
      old_path: text('The block to rename.'),
      new_path: text('Its new path.'),
    },
    required: ['command'],
  },
  async run(args, call) {
    const command = stringArg(args, 'command')
    const run = Object.hasOwn(commands, command) ? commands[command] : undefined
    if (!run) throw new ToolError(`There is no command '${command}'; there are: ${Object.keys(commands).join(', ')}`)
    return run(args, call)
  },
}

const commands: Record<string, (args: Args, call: ToolCallContext) => Promise<string>> = {
  async create(args, call) {
    const label = labelOf(args, 'path')
    const block = newBlock(label, optional(args, 'file_text', memoryText) ?? '', stringArg(args, 'description'))
    await changeMemory(call, (blocks) => {
      refuseTaken(blocks, label)
      return [{ kind: 'create', block }]
    })
    return done(`made memory block '${label}'`)
  },
  async str_replace(args, call) {
    const old = memoryText(args, 'old_string')
    const fresh = optional(args, 'new_string', memoryText) ?? ''
    return editMemory(call, labelOf(args, 'path'), (block) => replaceOnce(block, old, fresh))
  },
  async insert(args, call) {
    const fresh = memoryText(args, 'insert_text')
    return editMemory(call, labelOf(args, 'path'), (block) => insertLines(block, fresh, args['insert_line']))
  },
  async delete(args, call) {
    const label = labelOf(args, 'path')
    await changeMemory(call, (blocks) => [{ kind: 'detach', blockId: editable(blockOf(blocks, label)).id }])
    return done(`deleted memory block '${label}'`)
  },
  async rename(args, call) {
    if (args['new_path'] === undefined || args['new_path'] === null) {
      const label = labelOf(args, 'path')
      const description = stringArg(args, 'description')
      await changeMemory(call, (blocks) => [
        { kind: 'update', blockId: editable(blockOf(blocks, label)).id, update: { description } },
      ])
      return done(`described memory block '${label}' anew`)
    }
    const [old, label] = [labelOf(args, args['old_path'] ? 'old_path' : 'path'), labelOf(args, 'new_path')]
    newBlock(label, '', undefined) // what may not be the label of a new block may not be one here
    await changeMemory(call, (blocks) => {
      const { id } = editable(blockOf(blocks, old))
      if (label === old) return []
      refuseTaken(blocks, label)
      return [{ kind: 'update', blockId: id, update: { label } }]
    })
    return done(`renamed memory block '${old}' to '${label}'`)
  },
}

const done = (what: string) => `Successfully ${what}; your system prompt was recompiled and shows it.`

const optional = <T>(args: Args, name: string, read: (args: Args, name: string) => T) =>
  args[name] === undefined || args[name] === null ? undefined : read(args, name)

/** `/memories/<label>`; the label alone does, too. */
function labelOf(args: Args, name: string): string {
  const path = stringArg(args, name)
  const label = path.replace(/^\/?memories\//, '').replace(/^\//, '')
  if (label === '') throw new ToolError(`"${name}" must be of the form /memories/<label>`)
  return label
}
