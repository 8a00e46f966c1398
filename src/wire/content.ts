import { z } from 'zod'
import { Metadata, Name } from './field.ts'

// The text of a part has no limit of its own: the limit of the body is its limit.

const signature = z.string().nullish().describe('The provider’s own proof of this part')

export const TextContent = z.object({ type: z.literal('text'), text: z.string(), signature })
export type TextContent = z.infer<typeof TextContent>

const detail = Name.nullish().describe('`low`, `high` or `auto`')

const ImageSource = inferType(
  (source) => ('file_id' in source ? 'letta' : 'data' in source ? 'base64' : 'url' in source ? 'url' : undefined),
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('url'), url: z.string().min(1) }),
    z.object({ type: z.literal('base64'), media_type: Name, data: z.string(), detail }),
    z.object({ type: z.literal('letta'), file_id: Name, media_type: Name.nullish(), data: z.string().nullish(), detail }),
  ]),
)

export const ImageContent = z.object({ type: z.literal('image'), source: ImageSource })
export type ImageContent = z.infer<typeof ImageContent>

export const ToolCallContent = z.object({
  type: z.literal('tool_call'),
  id: Name,
  name: Name,
  input: Metadata.describe('The arguments, as an object'),
  signature,
})
export type ToolCallContent = z.infer<typeof ToolCallContent>

export const ToolReturnContent = z.object({
  type: z.literal('tool_return'),
  tool_call_id: Name,
  content: z.string(),
  is_error: z.boolean(),
})
export type ToolReturnContent = z.infer<typeof ToolReturnContent>

export const ReasoningContent = z.object({
  type: z.literal('reasoning'),
  is_native: z.boolean().describe('Whether a reasoning model wrote it'),
  reasoning: z.string(),
  signature,
})
export type ReasoningContent = z.infer<typeof ReasoningContent>

export const RedactedReasoningContent = z.object({ type: z.literal('redacted_reasoning'), data: z.string() })
export type RedactedReasoningContent = z.infer<typeof RedactedReasoningContent>

export const OmittedReasoningContent = z.object({ type: z.literal('omitted_reasoning'), signature })
export type OmittedReasoningContent = z.infer<typeof OmittedReasoningContent>

export const SummarizedReasoningContent = z.object({
  type: z.literal('summarized_reasoning'),
  id: Name,
  summary: z.array(z.object({ index: z.int(), text: z.string() })),
  encrypted_content: z.string().nullish(),
})
export type SummarizedReasoningContent = z.infer<typeof SummarizedReasoningContent>

/** Whatever may be in a message. `type` may be left out, as on the seed page. */
export const ContentPart = inferType(
  typeOfPart,
  z.discriminatedUnion('type', [
    TextContent,
    ImageContent,
    ToolCallContent,
    ToolReturnContent,
    ReasoningContent,
    RedactedReasoningContent,
    OmittedReasoningContent,
    SummarizedReasoningContent,
  ]),
)
export type ContentPart = z.infer<typeof ContentPart>

/** What a user's message shows and a tool of the caller's may return. */
export const TextOrImage = inferType(typeOfPart, z.discriminatedUnion('type', [TextContent, ImageContent]))
export type TextOrImage = z.infer<typeof TextOrImage>

/** The content of a message that comes in: never empty (streaming.md §2.3). */
export const TextOrParts = z.union([z.string().min(1, 'Message content is empty or invalid'), nonEmpty(ContentPart)], {
  error: ({ errors }) => {
    const [part] = (errors as z.core.$ZodIssue[][])[1] ?? []
    const where = part?.path.length ? ` (${part.path.join('.')}: ${part.message})` : ''
    return `Message content is empty or invalid${where}`
  },
})
export type TextOrParts = z.infer<typeof TextOrParts>

/** Fills in a `type` that was left out or is null. */
export function inferType<T extends z.ZodType>(guess: (value: object) => string | undefined, schema: T) {
  return z.preprocess((value) => {
    if (typeof value !== 'object' || value === null || ('type' in value && value.type !== null)) return value
    return { ...value, type: guess(value) }
  }, schema)
}

function typeOfPart(part: object): string | undefined {
  if ('text' in part) return 'text'
  if ('source' in part) return 'image'
  if ('reasoning' in part) return 'reasoning'
  if ('summary' in part) return 'summarized_reasoning'
  if ('data' in part) return 'redacted_reasoning'
  if ('input' in part) return 'tool_call'
  if ('tool_call_id' in part) return 'tool_return'
  // Its only field is optional.
  return Object.keys(part).every((key) => key === 'signature' || key === 'type') ? 'omitted_reasoning' : undefined
}

function nonEmpty<T extends z.ZodType>(item: T) {
  return z.array(item).min(1, 'Message content is empty or invalid').max(1000)
}
