import type { CreateAgent, UpdateAgent } from '../wire/agent.ts'
import { LLMConfig, type ModelSettings } from '../wire/model.ts'
import { given } from './patch.ts'
import type { AgentSettings } from './schema.ts'
import type { NewAgent } from './store.ts'

type Model = NewAgent['model']

/** What of a new agent is kept as it came. */
export function newSettings({ create, model, system, toolRules }: Omit<NewAgent, 'id'>): AgentSettings {
  const windowed = create.context_window_limit ?? create.llm_config?.context_window ?? model.contextWindow
  return {
    agent_type: create.agent_type,
    system,
    llm_config: withDeprecated(llmConfigOf(create.llm_config ?? {}, model, windowed), create),
    model: model.handle,
    model_settings: modelSettingsOf(create.model_settings, create, model.providerType),
    embedding: create.embedding ?? create.embedding_config?.handle ?? null,
    embedding_config: create.embedding_config ?? null,
    compaction_settings: create.compaction_settings ?? null,
    response_format: create.response_format ?? null,
    tool_rules: toolRules,
    description: create.description ?? null,
    metadata: create.metadata ?? null,
    project_id: create.project_id ?? null,
    template_id: create.template_id ?? null,
    base_template_id: create.base_template_id ?? null,
    message_buffer_autoclear: create.message_buffer_autoclear || create.agent_type === 'workflow_agent',
    enable_sleeptime: create.enable_sleeptime ?? null,
    timezone: create.timezone ?? 'UTC',
    max_files_open: create.max_files_open ?? null,
    per_file_view_window_char_limit: create.per_file_view_window_char_limit ?? null,
    last_run_completion: null,
    last_run_duration_ms: null,
    last_stop_reason: null,
  }
}

/** The settings after a PATCH: null is a value, absent is unchanged (design §5 row 22). */
export function changedSettings(before: AgentSettings, update: UpdateAgent, model: Model | undefined): AgentSettings {
  const was = before.llm_config
  const limit = update.context_window_limit ?? update.llm_config?.context_window
  const config = model
    ? llmConfigOf({ ...was, ...update.llm_config }, model, limit ?? model.contextWindow)
    : { ...was, context_window: limit ?? was.context_window }
  // What was set for another maker's model is passed on to this one, which takes from it what it knows.
  const kept =
    before.model_settings && (model ? { ...before.model_settings, provider_type: model.providerType } : before.model_settings)
  const settings = update.model_settings === undefined ? kept : update.model_settings
  return {
    ...before,
    ...given({
      system: update.system,
      embedding: update.embedding,
      embedding_config: update.embedding_config,
      compaction_settings: update.compaction_settings,
      response_format: update.response_format,
      tool_rules: update.tool_rules,
      description: update.description,
      metadata: update.metadata,
      project_id: update.project_id,
      template_id: update.template_id,
      base_template_id: update.base_template_id,
      message_buffer_autoclear: update.message_buffer_autoclear,
      enable_sleeptime: update.enable_sleeptime,
      timezone: update.timezone,
      max_files_open: update.max_files_open,
      per_file_view_window_char_limit: update.per_file_view_window_char_limit,
      last_run_completion: update.last_run_completion,
      last_run_duration_ms: update.last_run_duration_ms,
      last_stop_reason: update.last_stop_reason,
    }),
    model: model?.handle ?? before.model,
    llm_config: withDeprecated(config, update),
    model_settings: modelSettingsOf(settings, update, config.model_endpoint_type),
  }
}

/** The environment of its tools; `tool_exec_environment_variables` is the deprecated twin of `secrets`. */
export const secretsOf = ({ secrets, tool_exec_environment_variables }: CreateAgent | UpdateAgent) => ({
  ...tool_exec_environment_variables,
  ...secrets,
})

function llmConfigOf(base: Partial<LLMConfig>, model: Model, contextWindow: number): LLMConfig {
  return LLMConfig.parse({
    ...base,
    model: model.name,
    model_endpoint_type: model.providerType,
    model_endpoint: model.endpoint,
    provider_name: model.handle.slice(0, model.handle.indexOf('/')),
    provider_category: 'base',
    handle: model.handle,
    context_window: contextWindow,
  })
}

type Deprecated = Pick<UpdateAgent, 'max_tokens' | 'parallel_tool_calls' | 'reasoning' | 'model_settings' | 'response_format'>

/** The part of what was sent that old clients read back from `llm_config` (groups.md §4.5.2). */
function withDeprecated(config: LLMConfig, sent: Deprecated): LLMConfig {
  const { model_settings: settings } = sent
  return {
    ...config,
    temperature: settings?.temperature ?? config.temperature,
    max_tokens: settings?.max_output_tokens ?? sent.max_tokens ?? config.max_tokens,
    parallel_tool_calls: settings?.parallel_tool_calls ?? sent.parallel_tool_calls ?? config.parallel_tool_calls,
    enable_reasoner: sent.reasoning ?? config.enable_reasoner,
    response_format: sent.response_format === undefined ? config.response_format : sent.response_format,
  }
}

/** As sent, with what came by its deprecated names, and with the tag that tells makers apart. */
function modelSettingsOf(
  settings: ModelSettings | null | undefined,
  { max_tokens, parallel_tool_calls }: Deprecated,
  providerType: string,
): ModelSettings | null {
  const deprecated = given({
    max_output_tokens: max_tokens ?? undefined,
    parallel_tool_calls: parallel_tool_calls ?? undefined,
  })
  if (!settings && Object.keys(deprecated).length === 0) return null
  return { provider_type: providerType, ...deprecated, ...settings }
}
