import type { MessageRow, Part } from '../db/store.ts'
import { partOtid } from '../wire/id.ts'
import type { LettaMessage, ToolReturn, UserMessage } from '../wire/message.ts'
import { Answer, headOf } from './answer.ts'
import { Folding } from './fold.ts'
import { expandSummary } from './summary.ts'

/**
 * A stored message as what the wire shows, in the order it was said (streaming.md §6.2). Calls that speak are assistant
 * messages, and their results are left out, unless they are asked for `asCalls`.
 */
export function expand(row: MessageRow, asCalls = false): LettaMessage[] {
  if (asCalls) return expand({ ...row, parts: row.parts.map(silent) })
  switch (row.role) {
    case 'system':
      return [{ ...headOf(row, 'system_message', row.otid), content: textOf(row.parts) }]
    case 'user':
      return [{ ...headOf(row, 'user_message', row.otid), content: userContent(row.parts) }]
    case 'tool':
      return toolReturn(row)
    case 'approval':
      return approval(row)
    case 'summary':
      return [expandSummary(row)]
    default:
      return expandAnswer(row)
  }
}

/** A part without the mark of speech. */
function silent(part: Part): Part {
  if (part.type !== 'tool_call' && part.type !== 'tool_return') return part
  const { speaks: _, ...plain } = part
  return plain
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

/** Calls that wait, or what was said to them. */
function approval(row: MessageRow): LettaMessage[] {
  const answered = row.parts.find((part) => part.type === 'approval_response')
  if (answered) {
    const [first] = answered.approvals
    return [
      {
        ...headOf({ ...row, name: null, senderId: null, stepId: null, isErr: false }, 'approval_response_message', row.otid),
        approvals: answered.approvals,
        approve: first?.type === 'approval' ? first.approve : null,
        approval_request_id: first?.tool_call_id ?? null,
        reason: first?.type === 'approval' ? first.reason : null,
      },
    ]
  }
  const calls = row.parts.flatMap((part) =>
    part.type === 'tool_call' ? [{ name: part.name, arguments: part.arguments, tool_call_id: part.id }] : [],
  )
  return [{ ...headOf(row, 'approval_request_message', row.id), tool_call: calls[0]!, tool_calls: calls }]
}

function userContent(parts: Part[]): UserMessage['content'] {
  const [only] = parts
  if (parts.length === 1 && only?.type === 'text') return only.text
  return parts.filter((part) => part.type === 'text' || part.type === 'image')
}

function toolReturn(row: MessageRow): LettaMessage[] {
  const returns = row.parts.flatMap((part): (ToolReturn & { tool_return: string })[] =>
    part.type === 'tool_return' && part.speaks === undefined
      ? [
          {
            type: 'tool',
            tool_return: part.content,
            status: part.is_error ? 'error' : 'success',
            tool_call_id: part.tool_call_id,
            stdout: part.stdout ?? null,
            stderr: part.stderr ?? null,
          },
        ]
      : [],
  )
  const [first] = returns
  if (!first) return []
  const { type: _, ...copy } = first
  return [{ ...headOf(row, 'tool_return_message', partOtid(row.id, 0)), ...copy, tool_returns: returns }]
}
