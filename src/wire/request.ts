import { z } from 'zod'
import { inferType, TextOrParts } from './content.ts'
import { Metadata, Name, Text } from './field.ts'
import { GroupId, RunId } from './id.ts'
import { MessageTypes } from './message-type.ts'
import { Approval, ToolReturn } from './message.ts'

/** The caller's own key for an input; one is made where it gave none (streaming.md §2.3). */
const otid = Name.min(1).nullish().describe('Sent again with the same, the request leads to the same run')

export const MessageCreate = z.object({
  type: z.literal('message').default('message'),
  role: z.enum(['user', 'system', 'assistant']),
  content: TextOrParts,
  name: Name.nullish(),
  sender_id: Name.nullish().describe('An identity or an agent'),
  group_id: GroupId.nullish(),
  otid,
  batch_item_id: Name.nullish(),
})
export type MessageCreate = z.infer<typeof MessageCreate>

/** Answers to pending calls. The deprecated trio becomes one of them, addressed by the request's message id. */
export const ApprovalCreate = z
  .object({
    type: z.literal('approval'),
    approvals: z.array(Approval).min(1).max(1000).nullish(),
    group_id: GroupId.nullish(),
    otid,
    approve: z.boolean().nullish().describe('Deprecated'),
    approval_request_id: Name.nullish().describe('Deprecated'),
    reason: Text.nullish().describe('Deprecated'),
  })
  .transform(({ approvals, approve, approval_request_id, reason, ...rest }, context) => {
    if (approvals) return { ...rest, approvals }
    if (typeof approve !== 'boolean' || !approval_request_id) {
      context.addIssue({ code: 'custom', path: ['approvals'], message: 'Say which calls: give approvals' })
      return z.NEVER
    }
    const folded: Approval = { type: 'approval', tool_call_id: approval_request_id, approve, reason: reason ?? null }
    return { ...rest, approvals: [folded] }
  })
export type ApprovalCreate = z.infer<typeof ApprovalCreate>

/** The same as an approval that holds only returns. */
export const ToolReturnCreate = z.object({
  type: z.literal('tool_return'),
  tool_returns: z.array(ToolReturn).min(1).max(1000),
  group_id: GroupId.nullish(),
  otid,
})
export type ToolReturnCreate = z.infer<typeof ToolReturnCreate>

/** One input. Without a `type` its own fields say what it is (streaming.md §2.3). */
export const InputMessage = inferType(
  (input) => {
    if ('tool_returns' in input) return 'tool_return'
    return 'approvals' in input || 'approve' in input || 'approval_request_id' in input ? 'approval' : 'message'
  },
  z.discriminatedUnion('type', [MessageCreate, ApprovalCreate, ToolReturnCreate]),
)
export type InputMessage = z.infer<typeof InputMessage>

/** A tool that the caller runs: a call of it pauses the run. */
export const ClientTool = z.object({
  name: Name.min(1),
  description: Text.nullish(),
  parameters: Metadata.nullish().describe('JSON Schema of the arguments'),
})
export type ClientTool = z.infer<typeof ClientTool>

export const DEFAULT_MAX_STEPS = 50

export const OnBusy = z.enum(['reject', 'enqueue', 'interrupt', 'rollback'])

/** What a request may say beside its input (streaming.md §2.1). */
const Options = z.object({
  streaming: z.boolean().default(false),
  stream_tokens: z.boolean().default(false),
  include_pings: z.boolean().default(true),
  background: z.boolean().default(false),
  max_steps: z.int().min(1).default(DEFAULT_MAX_STEPS).describe('A bound on the model calls of the whole request'),
  include_return_message_types: MessageTypes,
  client_tools: z.array(ClientTool).max(1000).nullish(),
  client_skills: z
    .array(z.object({ name: Name, description: Text, location: Text }))
    .max(1000)
    .nullish(),
  on_busy: OnBusy.default('reject').describe(
    'Ours: what to do while the target answers another request. `reject`: 409. `enqueue`: wait in line. `interrupt`: cancel that ' +
      'run first, what it said is kept. `rollback`: cancel it and take back what it said',
  ),
  override_model: Name.nullish().describe('`provider/model`, for this request only'),
  override_system: Text.nullish().describe('A system prompt for this request only'),
  system: Text.nullish().describe('The same as `override_system`'),
  include_compaction_messages: z.boolean().default(false),
  return_logprobs: z.boolean().default(false),
  top_logprobs: z.int().min(0).nullish(),
  return_token_ids: z.boolean().default(false),
  use_assistant_message: z
    .boolean()
    .default(true)
    .describe('Deprecated: older agent types show what a tool is given as a message'),
  assistant_message_tool_name: Name.default('send_message').describe('Deprecated: that tool'),
  assistant_message_tool_kwarg: Name.default('message').describe('Deprecated: its argument'),
  enable_thinking: z.unknown().optional().describe('Deprecated, no effect'),
})

/** The body of every send route. Once parsed, `messages` is always there and `input` is gone. */
export const SendRequest = Options.extend({
  input: TextOrParts.nullish().describe('Short for one user message'),
  messages: z.array(InputMessage).min(1, 'Messages must not be empty').max(1000).nullish(),
}).transform(({ input, messages, system, override_system, ...options }, context) => {
  const wrong = input != null && messages ? 'Cannot specify both input and messages' : 'Must specify either input or messages'
  if ((input != null) === Boolean(messages)) {
    context.addIssue({ code: 'custom', message: wrong })
    return z.NEVER
  }
  return {
    ...options,
    override_system: override_system ?? system,
    messages: messages ?? [MessageCreate.parse({ role: 'user', content: input })],
  }
})
export type SendRequest = z.infer<typeof SendRequest>

/** A send that is answered with its run at once (streaming.md §4.11). */
export const SendAsyncRequest = SendRequest.and(
  z.object({ callback_url: z.null('Nothing is called back: follow the run, or the stream of its group').optional() }),
).transform((request) => ({ ...request, background: true }))

/** `POST /v1/runs/{run_id}/stream` (streaming.md §4.5). What asks for polling is accepted: readers are pushed to. */
export const ResumeRequest = z.object({
  starting_after: z.int().min(0).nullish().describe('Frames numbered above this'),
  include_pings: z
    .boolean()
    .nullish()
    .transform((given) => given ?? true),
  poll_interval: z.number().nullish(),
  batch_size: z.number().nullish(),
})
export type ResumeRequest = z.infer<typeof ResumeRequest>

/** `POST /v1/agents/{agent_id}/messages/cancel` (streaming.md §4.12). */
export const CancelRequest = z.object({ run_ids: z.array(RunId).max(1000).nullish() })
export type CancelRequest = z.infer<typeof CancelRequest>

/** `PATCH /v1/agents/{agent_id}/reset-messages`; there are no initial messages but the system's. */
export const ResetRequest = z.object({ add_default_initial_messages: z.boolean().default(false) })

/** `GET /v1/runs/{run_id}/stream`: for an EventSource, which sends no body. */
export const ResumeQuery = z.object({
  starting_after: z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/, 'Must be the number of a frame')
    .transform(Number)
    .default(0),
  include_pings: z.stringbool().default(true),
})

/** `GET /v1/groups/{group_id}/stream`. */
export const FeedQuery = z.object({
  starting_after: Name.optional().describe('The `id` of an event of this feed, `<run number>.<seq>`: only what comes after it'),
  include_pings: z.stringbool().default(true),
})
