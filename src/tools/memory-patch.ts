import type { MemoryChange } from '../db/store.ts'
import type { Block } from '../wire/block.ts'
import { blockOf, changeMemory, editable, editMemory, fitting, newBlock, refuseTaken, withoutNumbers } from './memory-edit.ts'
import { applyHunks, type Hunk, readHunks, readSections, type Section } from './patch.ts'
import { type BuiltinTool, stringArg } from './tool.ts'

/** Several changes at once, of one block or of many: all of them or none (groups.md §5.2). */
export const memoryApplyPatch: BuiltinTool = {
  name: 'memory_apply_patch',
  type: 'letta_memory_core',
  description: `Changes memory blocks by a patch. For one block, \`patch\` is a unified diff: lines that begin with a space are there and stay, with - they go, with + they come; @@ begins another place. The lines that are there must match exactly, and at one place only.
For several blocks, \`patch\` has sections, and \`label\` does not matter:
*** Add Block: <label>
Description: <what it is for>
+<line>
*** Update Block: <label>
*** Move to: <new label, if it is to be renamed>
@@
-<old line>
+<new line>
*** Delete Block: <label>`,
  parameters: {
    type: 'object',
    properties: {
      label: { type: 'string', description: 'The label of the memory block.' },
      patch: { type: 'string', description: 'The patch.' },
    },
    required: ['label', 'patch'],
  },
  async run(args, call) {
    const label = stringArg(args, 'label')
    const patch = stringArg(args, 'patch')
    const sections = readSections(patch)
    if (!sections) {
      const hunks = unnumbered(readHunks(patch))
      return editMemory(call, label, (block) => applyHunks(block.value, hunks))
    }
    await changeMemory(call, (blocks) => changesOf(sections, blocks))
    return summary(sections)
  },
}

/** In the order of the sections: each sees what those before it have made. */
function changesOf(sections: Section[], blocks: Block[]): MemoryChange[] {
  const held = new Map(blocks.map((block) => [block.id, block]))
  const made = new Set<string>()
  const refuseUsed = (label: string) => refuseTaken([...held.values(), ...[...made].map((one) => ({ label: one }))], label)
  return sections.map((section): MemoryChange => {
    if (section.kind === 'add') {
      refuseUsed(section.label)
      made.add(section.label)
      return { kind: 'create', block: newBlock(section.label, withoutNumbers(section.value, 'patch'), section.description) }
    }
    const block = editable(blockOf(held.values(), section.label))
    if (section.kind === 'delete') {
      held.delete(block.id)
      return { kind: 'detach', blockId: block.id }
    }
    const value = fitting(block, applyHunks(block.value, unnumbered(section.hunks)))
    const label = section.moveTo ?? section.label
    if (label !== section.label) {
      newBlock(label, '', undefined) // what may not be the label of a new block may not be one here
      refuseUsed(label)
    }
    held.set(block.id, { ...block, label, value })
    return { kind: 'update', blockId: block.id, update: { label, value } }
  })
}

function unnumbered(hunks: Hunk[]): Hunk[] {
  for (const { old, fresh } of hunks) withoutNumbers([...old, ...fresh].join('\n'), 'patch')
  return hunks
}

function summary(sections: Section[]): string {
  const renamed = sections.filter((section) => section.kind === 'update' && section.moveTo !== undefined)
  const lists = {
    Created: sections.filter(({ kind }) => kind === 'add'),
    Updated: sections.filter((section) => section.kind === 'update' && section.hunks.length > 0),
    Renamed: renamed,
    Deleted: sections.filter(({ kind }) => kind === 'delete'),
  }
  const lines = Object.entries(lists).flatMap(([what, list]) =>
    list.length === 0 ? [] : [`${what}: ${list.map(nameOf).join(', ')}`],
  )
  return ['The patch was applied, and your system prompt recompiled.', ...lines].join('\n')
}

const nameOf = (section: Section) =>
  section.kind === 'update' && section.moveTo !== undefined ? `${section.label} -> ${section.moveTo}` : section.label
