import type { MessageRow } from '../db/store.ts'
import { expand } from '../stream/expand.ts'
import { parseArguments } from '../tools/arguments.ts'
import { newId } from '../wire/id.ts'
import { failedCalls } from './calls.ts'
import type { LentTool } from './scene.ts'

/** Something that was said to all. */
export interface Utterance {
  text: string
  otid: string | null
}

/**
 * Plain text, and what was given with success to a tool that speaks (design §5 row 1); a lent tool's result may come later.
 */
export function utterances(rows: MessageRow[], lent: LentTool[]): Utterance[] {
  const failed = failedCalls(rows)
  const returned = new Set(
    rows.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool_return' ? part.tool_call_id : []))),
  )
  return rows
    .flatMap((row) => expand(row))
    .flatMap((message): Utterance[] => {
      if (message.message_type === 'assistant_message' && typeof message.content === 'string') {
        return message.content.trim() === '' ? [] : [{ text: message.content, otid: message.otid }]
      }
      if (message.message_type !== 'tool_call_message' || !Array.isArray(message.tool_calls)) return []
      return message.tool_calls.flatMap((call) => {
        const done = returned.has(call.tool_call_id) || isLent(call.name, lent)
        const says = failed.has(call.tool_call_id) || !done ? undefined : saysOf(call.name, lent)
        const args = says && argumentsOf(call.arguments)
        return args ? [{ text: says(args), otid: message.otid }] : []
      })
    })
}

const isLent = (tool: string, lent: LentTool[]) => lent.some(({ spec }) => spec.name === tool)

function argumentsOf(text: string): Record<string, unknown> | undefined {
  try {
    return parseArguments(text)
  } catch {
    return undefined
  }
}

function saysOf(tool: string, lent: LentTool[]): LentTool['says'] {
  if (tool === 'send_message') return ({ message }) => String(message)
  return lent.find(({ spec }) => spec.name === tool)?.says
}

/** How another agent remembers an utterance (groups.md §3.0, design §5 row 15). */
export const heardRow = (spoken: MessageRow, listener: string, { text, otid }: Utterance): MessageRow => ({
  ...spoken,
  id: newId('message'),
  agentId: listener,
  stepId: null,
  role: 'system',
  parts: [{ type: 'text', text }],
  otid,
  heard: true,
})
