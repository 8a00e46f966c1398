import type { MemoryChange } from '../db/store.ts'
import { Conflict } from '../errors.ts'
import { type Block, CreateBlock } from '../wire/block.ts'
import { stringArg, ToolError, type ToolCallContext } from './tool.ts'

/*
 * What all tools that change memory keep to (groups.md §5.2). Each edit is made to the value that the block has at that
 * moment, in one transaction, so members who share a block never undo each other's edits.
 */

/** Stands above a value that is shown with its lines numbered, `1→ like this`. */
export const LINE_NUMBER_BANNER =
  'The numbers and arrows in front of the lines are not part of the text: leave them out when you edit.'

const numbered = /^[ \t]*\d+→/m

/** @returns the block's new value @throws {ToolError} when there is no such block, or it must not be changed like this */
export async function editMemory(call: ToolCallContext, label: string, change: (block: Block) => string): Promise<string> {
  const { store, tenant, agent } = call
  const { blocks } = await store.findSpeaker(tenant, agent.id)
  const { value } = await store.editBlock(tenant, blockOf(blocks, label).id, (block) => {
    return editable(block) && fitting(block, change(block))
  })
  return value
}

/** Changes several things about the agent's memory, all or none. */
export async function changeMemory(
  { store, tenant, agent }: ToolCallContext,
  plan: (blocks: Block[]) => MemoryChange[],
): Promise<void> {
  try {
    await store.changeMemory(tenant, agent.id, plan)
  } catch (error) {
    throw error instanceof Conflict ? new ToolError(error.message) : error
  }
}

/** @throws {ToolError} that lists the labels there are */
export function blockOf(blocks: Iterable<Block>, label: string): Block {
  const all = [...blocks]
  const block = all.find((one) => one.label === label)
  if (block) return block
  throw new ToolError(`There is no memory block '${label}'; there are: ${all.map((one) => one.label).join(', ') || 'none'}`)
}

/** @throws {ToolError} */
export function refuseTaken(blocks: Iterable<Pick<Block, 'label'>>, label: string): void {
  if ([...blocks].some((block) => block.label === label)) throw new ToolError(`There is a memory block '${label}' already`)
}

/** @throws {ToolError} */
export function editable(block: Block): Block {
  if (block.read_only) throw new ToolError(`Memory block '${block.label}' is read-only and cannot be edited`)
  return block
}

/** The block's new value. What is too long already may become shorter. @throws {ToolError} above the block's limit */
export function fitting({ label, limit, value }: Pick<Block, 'label' | 'limit' | 'value'>, next: string): string {
  const clean = next.replaceAll('\0', '') // as on the wire: no database keeps them
  if (clean.length > limit && clean.length >= value.length) {
    throw new ToolError(`Memory block '${label}' would have ${clean.length} characters; its limit is ${limit}`)
  }
  return clean
}

/** @throws {ToolError} */
export function newBlock(label: string, value: string, description: string | undefined): CreateBlock {
  const { data, error } = CreateBlock.safeParse({ label, value, description })
  if (error) throw new ToolError(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  return { ...data, value: fitting({ label, limit: data.limit, value: '' }, data.value) }
}

/** An argument that becomes part of a block, or is looked for in one. @throws {ToolError} when line numbers were copied into it */
export const memoryText = (args: Record<string, unknown>, name: string) => withoutNumbers(stringArg(args, name), name)

/** @throws {ToolError} */
export function withoutNumbers(text: string, name: string): string {
  if (text.includes(LINE_NUMBER_BANNER)) throw new ToolError(`"${name}" has the note about line numbers in it: leave that out`)
  if (numbered.test(text)) throw new ToolError(`"${name}" has lines that begin with their line number: leave the numbers out`)
  return text
}

/** Tabs may stand as spaces on either side. @throws {ToolError} unless `old` stands exactly once in the block */
export function replaceOnce({ label, value }: Block, old: string, fresh: string): string {
  if (old === '') throw new ToolError('The text to replace is empty')
  const [text, wanted] = value.includes(old) ? [value, old] : [expandTabs(value), expandTabs(old)]
  const pieces = text.split(wanted)
  if (pieces.length === 1) throw new ToolError(`The text to replace is not in memory block '${label}'; it must match exactly`)
  if (pieces.length > 2) {
    const lines = pieces.slice(0, -1).map(
      (_, i) =>
        pieces
          .slice(0, i + 1)
          .join(wanted)
          .split('\n').length,
    )
    const where = `${lines.length} times in memory block '${label}', in the lines ${lines.join(', ')}`
    throw new ToolError(`The text to replace stands ${where}: give more of it`)
  }
  return pieces.join(fresh)
}

const expandTabs = (text: string) =>
  text
    .split('\n')
    .map((line) => line.split('\t').reduce((left, right) => left + ' '.repeat(8 - (left.length % 8)) + right))
    .join('\n')

/** @param after the line to insert after: 0 is the beginning, -1, null or nothing the end @throws {ToolError} */
export function insertLines({ value }: Block, fresh: string, after: unknown): string {
  const lines = value === '' ? [] : value.split('\n')
  const line = after ?? -1
  if (typeof line !== 'number' || !Number.isInteger(line) || line < -1 || line > lines.length) {
    throw new ToolError(`insert_line must be a whole number from -1 to ${lines.length}`)
  }
  return lines.toSpliced(line === -1 ? lines.length : line, 0, fresh).join('\n')
}
