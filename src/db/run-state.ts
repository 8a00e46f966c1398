import { isoDate } from '../wire/message.ts'
import type { Run, Step } from '../wire/run.ts'
import type { RunMetrics, StepMetrics } from '../wire/step.ts'
import type { runs, steps } from './schema.ts'

/** A stored run as the wire shows it (streaming.md §4.1). What its closed schema has no place for is in `metadata`. */
export function showRun(run: typeof runs.$inferSelect): Run {
  const { request } = run.admission
  return {
    id: run.id,
    status: run.status,
    created_at: isoDate(run.createdAt),
    completed_at: run.completedAt === null ? null : isoDate(run.completedAt),
    agent_id: run.agentId,
    conversation_id: null,
    base_template_id: null,
    background: run.background,
    metadata: {
      run_type: run.runType,
      ...(run.groupId !== null && { group_id: run.groupId, manager_type: run.admission.manager }),
      ...(run.endedBy !== null && { ended_by: run.endedBy }),
      ...(run.error && {
        error: { message_type: 'error_message', run_id: run.id, error_type: run.error.error_type, message: run.error.message },
      }),
    },
    request_config: {
      use_assistant_message: request.use_assistant_message,
      assistant_message_tool_name: request.assistant_message_tool_name,
      assistant_message_tool_kwarg: request.assistant_message_tool_kwarg,
      include_return_message_types: request.include_return_message_types,
    },
    stop_reason: run.stopReason,
    callback_url: null,
    callback_sent_at: null,
    callback_status_code: null,
    callback_error: null,
    ttft_ns: run.firstFrameMs === null ? null : Math.round(run.firstFrameMs * 1e6),
    total_duration_ns: run.durationMs === null ? null : Math.round(run.durationMs * 1e6),
  }
}

/** A stored step as the wire shows it (streaming.md §4.10). */
export function showStep({
  id,
  runId,
  agentId,
  status,
  stopReason,
  recorded,
  feedback,
  tags,
}: typeof steps.$inferSelect): Step {
  const { usage, error } = recorded
  return {
    id,
    origin: null,
    provider_id: null,
    run_id: runId,
    agent_id: agentId,
    provider_name: recorded.handle.slice(0, recorded.handle.indexOf('/')),
    provider_category: 'base',
    model: recorded.model,
    model_handle: recorded.handle,
    model_endpoint: recorded.endpoint,
    context_window_limit: recorded.contextWindow,
    completion_tokens: usage.completionTokens,
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.totalTokens,
    cached_input_tokens: usage.cachedInputTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    reasoning_tokens: usage.reasoningTokens,
    completion_tokens_details: usage.reasoningTokens === null ? null : { reasoning_tokens: usage.reasoningTokens },
    prompt_tokens_details: usage.cachedInputTokens === null ? null : { cached_tokens: usage.cachedInputTokens },
    stop_reason: stopReason,
    tags: tags ?? [],
    tid: null,
    trace_id: null,
    request_id: null,
    messages: [],
    feedback,
    project_id: null,
    error_type: error?.error_type ?? null,
    error_data: error ? { message: error.message } : null,
    status,
  }
}

/** Times in ns (streaming.md §4.9). What nobody measured is null. */
export const showStepMetrics = ({ id, runId, agentId, createdAt, recorded }: typeof steps.$inferSelect): StepMetrics => ({
  id,
  provider_id: null,
  run_id: runId,
  agent_id: agentId,
  step_start_ns: createdAt * 1e6,
  llm_request_start_ns: createdAt * 1e6,
  llm_request_ns: recorded.tookMs === undefined ? null : Math.round(recorded.tookMs * 1e6),
  tool_execution_ns: null,
  step_ns: recorded.tookMs === undefined ? null : Math.round(recorded.tookMs * 1e6),
  base_template_id: null,
  template_id: null,
  project_id: null,
})

export const showRunMetrics = (
  { id, agentId, createdAt, durationMs }: Pick<typeof runs.$inferSelect, 'id' | 'agentId' | 'createdAt' | 'durationMs'>,
  { steps: count, tools }: { steps: number; tools: string[] },
): RunMetrics => ({
  id,
  agent_id: agentId,
  project_id: null,
  run_start_ns: createdAt * 1e6,
  run_ns: durationMs === null ? null : Math.round(durationMs * 1e6),
  num_steps: count,
  tools_used: tools,
  template_id: null,
  base_template_id: null,
})
