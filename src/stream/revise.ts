import type { MessageRow, Part } from '../db/store.ts'
import { InvalidArgument } from '../errors.ts'
import type { LettaMessage, MessagePatch } from '../wire/message.ts'
import { expand } from './expand.ts'

/**
 * A stored message with its text replaced, and how the wire shows that (streaming.md §6.4).
 *
 * @throws {InvalidArgument} when the row has no message of the patch's type
 */
export function revise(row: MessageRow, patch: MessagePatch): { row: MessageRow; message: LettaMessage } {
  if (!expand(row).some(({ message_type }) => message_type === patch.message_type)) {
    throw new InvalidArgument(`INVALID_ARGUMENT: ${row.id} has no ${patch.message_type}`)
  }
  const revised = { ...row, parts: partsWith(row.parts, patch) }
  const message = expand(revised).find(({ message_type }) => message_type === patch.message_type)
  if (!message) throw new InvalidArgument(`INVALID_ARGUMENT: ${row.id} would be empty`)
  return { row: revised, message }
}

function partsWith(parts: Part[], patch: MessagePatch): Part[] {
  if (patch.message_type === 'reasoning_message') {
    // A provider's signature is of the text it gave.
    return replaced(parts, 'reasoning', [{ type: 'reasoning', is_native: false, reasoning: patch.reasoning }])
  }
  const content: Part[] = typeof patch.content === 'string' ? [{ type: 'text', text: patch.content }] : patch.content
  return patch.message_type === 'assistant_message' ? replaced(parts, 'text', content) : content
}

/** The parts of a type give way to new ones, in the place of the first. */
function replaced(parts: Part[], type: Part['type'], fresh: Part[]): Part[] {
  const at = parts.findIndex((part) => part.type === type)
  const others = parts.filter((part) => part.type !== type)
  return others.toSpliced(at, 0, ...fresh)
}
