import { z } from 'zod'

/** The kinds of message that are listed and can be filtered (streaming.md §2.5). */
export const MessageType = z.enum([
  'system_message',
  'user_message',
  'assistant_message',
  'reasoning_message',
  'hidden_reasoning_message',
  'tool_call_message',
  'tool_return_message',
  'approval_request_message',
  'approval_response_message',
  'summary_message',
  'event_message',
])
export type MessageType = z.infer<typeof MessageType>

/** What the seed page calls them. */
const older: Record<string, string> = { summary: 'summary_message', event: 'event_message' }

/** A filter: null = everything, and so is an empty list (streaming.md §2.5). Both spellings are taken (design §5 row 24). */
export const MessageTypes = z
  .array(z.preprocess((name) => (typeof name === 'string' ? (older[name] ?? name) : name), MessageType))
  .max(100)
  .nullish()
  .transform((types) => (types?.length ? types : null))
