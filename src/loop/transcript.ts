import type { MessageRow, Part } from '../db/store.ts'
import { summaryOf } from '../stream/summary.ts'
import { estimateTokens } from './tokens.ts'

/** No single message, e.g. a tool's endless result, is all that there is room for. */
const MESSAGE_CHARS = 20_000

/**
 * What was said, as a text that a model can summarise. An earlier summary comes first and whole: it is all that is left of what
 * it stands for. When there is more than `limitTokens`, the middle is left out.
 */
export function transcript(rows: readonly MessageRow[], limitTokens: number): string {
  const earlier = rows.filter(({ role }) => role === 'summary').map((row) => `[Summary of what came before]\n${summaryOf(row)}`)
  const said = rows
    .filter(({ role }) => role !== 'summary')
    .flatMap(lineOf)
    .map((line) => clipMiddle(line, MESSAGE_CHARS))
    .join('\n')
  const room = Math.max(0, limitTokens - estimateTokens(earlier.join('\n')))
  const tokens = estimateTokens(said)
  const fitting = tokens > room ? clipMiddle(said, Math.floor((said.length * room) / tokens)) : said
  return [...earlier, fitting].join('\n\n')
}

/** At most about `chars` characters, with a mark where some were left out. */
export function clipMiddle(text: string, chars: number): string {
  if (text.length <= chars) return text
  const half = Math.floor(chars / 2)
  const cut = `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters are left out here …]\n`
  return (cut + (half > 0 ? text.slice(-half) : '')).toWellFormed()
}

function lineOf({ role, name, parts }: MessageRow): string[] {
  const speaker = name ?? role
  return parts.flatMap((part) => {
    const text = textOf(part)
    if (text === '') return []
    return role === 'tool' || role === 'approval' ? [text] : [`${speaker}: ${text}`]
  })
}

function textOf(part: Part): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'image':
      return '[an image]'
    case 'tool_call':
      return `[calls ${part.name} with ${part.arguments}]`
    case 'tool_return':
      return `[${part.is_error ? 'error' : 'result'} of a call: ${part.content}]`
    case 'approval_response':
      return part.approvals
        .map((answer) => (answer.type === 'approval' ? `[the user ${answer.approve ? 'allows' : 'denies'} a call]` : ''))
        .join('')
    default:
      return ''
  }
}
