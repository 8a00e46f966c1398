import type { MessageRow, Part, Usage } from '../db/store.ts'

/** An image is a few hundred to two thousand tokens, however many bytes it has. */
const IMAGE = 1600
/** What a message costs beside its text. */
const MESSAGE = 4

/**
 * About how many tokens these are to a model. Prose has some 4 bytes in a token; JSON, ids, numbers and code have 2.2
 * (stack.md §11, fitted to one sample): use it for what nobody has counted yet.
 */
export function estimateTokens(what: string | readonly MessageRow[]): number {
  if (typeof what === 'string') return Math.ceil(Buffer.byteLength(what) / (isDense(what) ? 2.2 : 4))
  let sum = 0
  for (const { parts } of what) sum += parts.reduce((tokens, part) => tokens + tokensOf(part), MESSAGE)
  return sum
}

/** How full a context is: the provider's own count of its last call, and an estimate of only what came after that. */
export function contextTokens({ lastUsage, addedSince }: { lastUsage: Usage; addedSince: readonly MessageRow[] }): number {
  return lastUsage.totalTokens + estimateTokens(addedSince)
}

/** Whether older messages are to be summarised after a step (groups.md §5.5.2). */
export const needsCompaction = (totalTokens: number, window: number): boolean => totalTokens > Math.floor(0.9 * window)

function tokensOf(part: Part): number {
  switch (part.type) {
    case 'text':
      return estimateTokens(part.text)
    case 'reasoning':
      return estimateTokens(part.reasoning)
    case 'redacted_reasoning':
      return estimateTokens(part.data)
    case 'tool_call':
      return estimateTokens(part.name) + estimateTokens(part.arguments)
    case 'tool_return':
      return estimateTokens(part.content)
    case 'image':
      return IMAGE
    default:
      return 0
  }
}

/** More than a fifth of it is digits and signs; prose has about a twentieth. */
function isDense(text: string): boolean {
  let signs = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 32 && code < 127 && !((code >= 65 && code <= 90) || (code >= 97 && code <= 122))) signs++
  }
  return signs > text.length / 5
}
