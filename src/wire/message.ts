import { z } from 'zod'
import { inferType, TextContent, TextOrImage } from './content.ts'
import { Metadata, Name } from './field.ts'
import { StopReasonType } from './run.ts'
import { UsageStatistics } from './usage.ts'

export { MessageType } from './message-type.ts'

/** `date` of a message: whole seconds, numeric offset (design §5 row 35). */
export const wireDate = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}+00:00`

/** Every other time. */
export const isoDate = (ms: number) => new Date(ms).toISOString()

/** The fields that every message has, in the order they are written (streaming.md §3.1). */
const head = <T extends string>(messageType: T) => ({
  id: z.string().describe('The row; messages of one model answer share it'),
  date: z.iso.datetime({ offset: true }),
  name: z.string().nullable().describe('The speaker, or the tool of a return'),
  message_type: z.literal(messageType),
  otid: z.string().nullable().describe('Tells apart what shares an id'),
  sender_id: z.string().nullable(),
  step_id: z.string().nullable(),
  is_err: z.boolean().nullable(),
  seq_id: z.int().nullable().describe('The number of the frame in its run; null in lists'),
  run_id: z.string().nullable(),
})

export const ToolCall = z.object({ name: z.string(), arguments: z.string().describe('JSON'), tool_call_id: z.string() })
export type ToolCall = z.infer<typeof ToolCall>

/** A piece of a call: `arguments` is concatenated per `tool_call_id` (streaming.md §3.4). */
export const ToolCallDelta = z.object({
  name: z.string().nullish(),
  arguments: z.string().nullish(),
  tool_call_id: z.string().nullish(),
})
export type ToolCallDelta = z.infer<typeof ToolCallDelta>

const lines = z.array(z.string()).nullable().default(null)

/** What a tool answered; comes in (run by the caller) and goes out. */
export const ToolReturn = z.object({
  type: z.literal('tool').default('tool'),
  tool_return: z.union([z.string(), z.array(TextOrImage)]),
  status: z.enum(['success', 'error']),
  tool_call_id: Name,
  stdout: lines,
  stderr: lines,
})
export type ToolReturn = z.infer<typeof ToolReturn>

export const ApprovalReturn = z.object({
  type: z.literal('approval'),
  tool_call_id: Name,
  approve: z.boolean(),
  reason: z.string().nullable().default(null),
})
export type ApprovalReturn = z.infer<typeof ApprovalReturn>

/** One answer to one pending call. */
export const Approval = inferType(
  (value) => ('tool_return' in value ? 'tool' : 'approval'),
  z.discriminatedUnion('type', [ApprovalReturn, ToolReturn]),
)
export type Approval = z.infer<typeof Approval>

export const SystemMessage = z.object({ ...head('system_message'), content: z.string() })
export type SystemMessage = z.infer<typeof SystemMessage>

export const UserMessage = z.object({
  ...head('user_message'),
  content: z.union([z.string(), z.array(TextOrImage)]),
})
export type UserMessage = z.infer<typeof UserMessage>

export const ReasoningMessage = z.object({
  ...head('reasoning_message'),
  source: z.enum(['reasoner_model', 'non_reasoner_model']),
  reasoning: z.string(),
  signature: z.string().nullable(),
})
export type ReasoningMessage = z.infer<typeof ReasoningMessage>

export const HiddenReasoningMessage = z.object({
  ...head('hidden_reasoning_message'),
  state: z.enum(['redacted', 'omitted']),
  hidden_reasoning: z.string().nullable(),
})
export type HiddenReasoningMessage = z.infer<typeof HiddenReasoningMessage>

const calls = {
  tool_call: z.union([ToolCall, ToolCallDelta]).describe('Deprecated: the first call'),
  tool_calls: z
    .union([z.array(ToolCall), ToolCallDelta])
    .nullable()
    .describe('While tokens stream: the same single delta'),
}

export const ToolCallMessage = z.object({ ...head('tool_call_message'), ...calls })
export type ToolCallMessage = z.infer<typeof ToolCallMessage>

export const ToolReturnMessage = z.object({
  ...head('tool_return_message'),
  tool_return: z.string().describe('Deprecated, as the next four: a copy of the first return'),
  status: z.enum(['success', 'error']),
  tool_call_id: z.string(),
  stdout: lines,
  stderr: lines,
  tool_returns: z.array(ToolReturn).nullable(),
})
export type ToolReturnMessage = z.infer<typeof ToolReturnMessage>

export const AssistantMessage = z.object({
  ...head('assistant_message'),
  content: z.union([z.string(), z.array(TextContent)]).describe('Ours is always a string'),
})
export type AssistantMessage = z.infer<typeof AssistantMessage>

export const ApprovalRequestMessage = z.object({ ...head('approval_request_message'), ...calls })
export type ApprovalRequestMessage = z.infer<typeof ApprovalRequestMessage>

export const ApprovalResponseMessage = z.object({
  ...head('approval_response_message'),
  approvals: z.array(Approval).nullable(),
  approve: z.boolean().nullable(),
  approval_request_id: z.string().nullable(),
  reason: z.string().nullable(),
})
export type ApprovalResponseMessage = z.infer<typeof ApprovalResponseMessage>

/** After a compaction (streaming.md §3.10). */
export const SummaryMessage = z.object({
  ...head('summary_message'),
  summary: z.string(),
  compaction_stats: z
    .object({
      trigger: z.string(),
      context_tokens_before: z.int().nullable(),
      context_tokens_after: z.int().nullable(),
      context_window: z.int(),
      messages_count_before: z.int(),
      messages_count_after: z.int(),
    })
    .nullable(),
})
export type SummaryMessage = z.infer<typeof SummaryMessage>

export const EventMessage = z.object({
  ...head('event_message'),
  event_type: z
    .string()
    .describe('`compaction`; ours, in streams only: `step_retry`, `tool_retry`, `model_retry`, `speaker_choice`'),
  event_data: Metadata,
})
export type EventMessage = z.infer<typeof EventMessage>

/** What lists hold: everything but the marks of a stream (streaming.md §3.7). */
const listable = [
  SystemMessage,
  UserMessage,
  ReasoningMessage,
  HiddenReasoningMessage,
  ToolCallMessage,
  ToolReturnMessage,
  AssistantMessage,
  ApprovalRequestMessage,
  ApprovalResponseMessage,
  SummaryMessage,
  EventMessage,
] as const

export const LettaMessage = z.discriminatedUnion('message_type', listable)
export type LettaMessage = z.infer<typeof LettaMessage>

/** Says which run this is, and that somebody is there (streaming.md §1.3). */
export const Ping = z.object(head('ping'))
export type Ping = z.infer<typeof Ping>

/** The fields that every message has. */
export type MessageHead = Omit<Ping, 'message_type'>

export const StopReason = z.object({
  message_type: z.literal('stop_reason').default('stop_reason'),
  stop_reason: StopReasonType,
  run_id: z.string().optional().describe('Only in a stream'),
  seq_id: z.int().optional().describe('Only in a stream'),
})
export type StopReason = z.infer<typeof StopReason>

/** What an `event: error` frame carries (streaming.md §1.6). */
export const ErrorMessage = z.object({
  message_type: z.literal('error_message'),
  run_id: z.string(),
  error_type: z.string(),
  message: z.string(),
  detail: z.string().optional().describe('Left out rather than null'),
  seq_id: z.int().nullable(),
})
export type ErrorMessage = z.infer<typeof ErrorMessage>

/** Whatever a `data:` line may hold, but for `[DONE]`. */
export const Frame = z.union([LettaMessage, Ping, StopReason, UsageStatistics, ErrorMessage])
export type Frame = z.infer<typeof Frame>

const TextPart = inferType((part) => ('text' in part ? 'text' : undefined), TextContent)

/** `PATCH …/messages/{message_id}` (groups.md §2.11). */
export const MessagePatch = z.discriminatedUnion('message_type', [
  z.object({ message_type: z.literal('system_message'), content: z.string().min(1) }),
  z.object({
    message_type: z.literal('user_message'),
    content: z.union([z.string().min(1), z.array(TextOrImage).min(1).max(1000)]),
  }),
  z.object({ message_type: z.literal('reasoning_message'), reasoning: z.string() }),
  z.object({
    message_type: z.literal('assistant_message'),
    content: z.union([z.string().min(1), z.array(TextPart).min(1).max(1000)]),
  }),
])
export type MessagePatch = z.infer<typeof MessagePatch>
