import type { MessageRow, Part } from '../db/store.ts'
import { partOtid } from '../wire/id.ts'
import type { LettaMessage, ToolReturn, UserMessage } from '../wire/message.ts'
import { Answer, headOf } from './answer.ts'
import { Folding } from './fold.ts'

/** A stored message as what the wire shows, in the order it was said (streaming.md §6.2). */
export function expand(row: MessageRow): LettaMessage[] {
  switch (row.role) {
    case 'system':
      return [{ ...headOf(row, 'system_message', row.otid), content: textOf(row.parts) }]
    case 'user':
      return [{ ...headOf(row, 'user_message', row.otid), content: userContent(row.parts) }]
    case 'tool':
      return toolReturn(row)
    default:
      return expandAnswer(row)
  }
}

/** The text of a message, without what is no text. */
export const textOf = (parts: Part[]): string => parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')

function expandAnswer(row: MessageRow): LettaMessage[] {
  const answer = new Answer(row)
  const folding = new Folding()
  for (const part of row.parts) {
    const message = answer.part(part)
    if (message) folding.add(message)
  }
  return folding.result().messages
}

function userContent(parts: Part[]): UserMessage['content'] {
  const [only] = parts
  if (parts.length === 1 && only?.type === 'text') return only.text
  return parts.filter((part) => part.type === 'text' || part.type === 'image')
}

function toolReturn(row: MessageRow): LettaMessage[] {
  const returns = row.parts.flatMap((part): (ToolReturn & { tool_return: string })[] =>
    part.type === 'tool_return'
      ? [
          {
            type: 'tool',
            tool_return: part.content,
            status: part.is_error ? 'error' : 'success',
            tool_call_id: part.tool_call_id,
            stdout: null,
            stderr: null,
          },
        ]
      : [],
  )
  const [first] = returns
  if (!first) return []
  const { type: _, ...copy } = first
  return [{ ...headOf(row, 'tool_return_message', partOtid(row.id, 0)), ...copy, tool_returns: returns }]
}
