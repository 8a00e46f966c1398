import { z } from 'zod'
import { Metadata, Name } from './field.ts'
import { MessageType } from './message-type.ts'
import { pageQuery, repeated } from './page.ts'

export const RunStatus = z.enum(['created', 'running', 'completed', 'failed', 'cancelled'])
export type RunStatus = z.infer<typeof RunStatus>

/** Why a run ended (streaming.md §5.1). */
export const StopReasonType = z.enum([
  'end_turn',
  'error',
  'llm_api_error',
  'invalid_llm_response',
  'invalid_tool_call',
  'max_steps',
  'max_tokens_exceeded',
  'no_tool_call',
  'tool_rule',
  'cancelled',
  'insufficient_credits',
  'requires_approval',
  'context_window_overflow_in_system_prompt',
])
export type StopReasonType = z.infer<typeof StopReasonType>

/** What a run has become when it ended for that reason (streaming.md §5.2). */
export function statusOf(stop: StopReasonType): 'completed' | 'failed' | 'cancelled' {
  switch (stop) {
    case 'end_turn':
    case 'max_steps':
    case 'tool_rule':
    case 'requires_approval':
      return 'completed'
    case 'cancelled':
      return 'cancelled'
    default:
      return 'failed'
  }
}

const time = z.iso.datetime()

/** One request's processing (streaming.md §4.1). A group's run names the group in `metadata` (design §5 row 2). */
export const Run = z.object({
  id: z.string(),
  status: RunStatus,
  created_at: time,
  completed_at: time.nullable(),
  agent_id: z.string().describe('For a group: its manager agent or first member'),
  conversation_id: z.string().nullable(),
  base_template_id: z.string().nullable(),
  background: z.boolean().nullable(),
  metadata: Metadata.nullable(),
  request_config: z
    .object({
      use_assistant_message: z.boolean(),
      assistant_message_tool_name: z.string(),
      assistant_message_tool_kwarg: z.string(),
      include_return_message_types: z.array(MessageType).nullable(),
    })
    .nullable(),
  stop_reason: StopReasonType.nullable(),
  callback_url: z.string().nullable(),
  callback_sent_at: time.nullable(),
  callback_status_code: z.int().nullable(),
  callback_error: z.string().nullable(),
  ttft_ns: z.int().nullable(),
  total_duration_ns: z.int().nullable(),
})
export type Run = z.infer<typeof Run>

const tokens = z.int().nullable()

/** One model call and the tools that it asked for (streaming.md §4.10). */
export const Step = z.object({
  id: z.string(),
  origin: z.string().nullable(),
  provider_id: z.string().nullable(),
  run_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  provider_name: z.string().nullable(),
  provider_category: z.string().nullable(),
  model: z.string().nullable(),
  model_handle: z.string().nullable(),
  model_endpoint: z.string().nullable(),
  context_window_limit: tokens,
  completion_tokens: tokens,
  prompt_tokens: tokens,
  total_tokens: tokens,
  cached_input_tokens: tokens,
  cache_write_tokens: tokens,
  reasoning_tokens: tokens,
  completion_tokens_details: Metadata.nullable(),
  prompt_tokens_details: Metadata.nullable(),
  stop_reason: StopReasonType.nullable(),
  tags: z.array(z.string()),
  tid: z.string().nullable(),
  trace_id: z.string().nullable(),
  request_id: z.string().nullable(),
  messages: z.array(z.never()).describe('Deprecated, always empty'),
  feedback: z.enum(['positive', 'negative']).nullable(),
  project_id: z.string().nullable(),
  error_type: z.string().nullable(),
  error_data: Metadata.nullable(),
  status: z.enum(['pending', 'success', 'failed', 'cancelled']),
})
export type Step = z.infer<typeof Step>

/** `GET /v1/runs/` (streaming.md §4.8). */
export const ListRunsQuery = pageQuery({ limit: 100, order: 'desc' })
  .extend({
    agent_id: Name.optional(),
    agent_ids: repeated(Name).describe('Deprecated; `agent_id` wins'),
    group_id: Name.optional().describe('Ours: the runs of a group'),
    statuses: repeated(RunStatus),
    active: z.stringbool().default(false).describe('Created or running, unless `statuses` says otherwise'),
    background: z.stringbool().optional(),
    stop_reason: StopReasonType.optional(),
    conversation_id: Name.optional(),
    ascending: z.stringbool().default(false).describe('Deprecated; true wins over `order`'),
  })
  .transform((query) => (query.ascending ? { ...query, order: 'asc' as const } : query))
export type ListRunsQuery = z.infer<typeof ListRunsQuery>
