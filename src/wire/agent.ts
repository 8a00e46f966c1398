import { z } from 'zod'
import { Block, CreateBlock } from './block.ts'
import { list, Metadata, Name, Text, unlessNull } from './field.ts'
import { Group } from './group.ts'
import { AgentId, BlockId, idOf, MessageId, ToolId } from './id.ts'
import { ApprovalRequestMessage } from './message.ts'
import { EmbeddingConfig, LLMConfig, ModelSettings, ResponseFormat } from './model.ts'
import { pageQuery, repeated } from './page.ts'
import { MessageCreate } from './request.ts'
import { StopReasonType } from './run.ts'
import { Tool, ToolRule } from './tool.ts'

export const AgentType = z.enum([
  'memgpt_agent',
  'memgpt_v2_agent',
  'letta_v1_agent',
  'react_agent',
  'workflow_agent',
  'split_thread_agent',
  'sleeptime_agent',
  'voice_convo_agent',
  'voice_sleeptime_agent',
])
export type AgentType = z.infer<typeof AgentType>

/** Relations that a client may ask for; ours are always loaded (design §5 row 23). */
export const AgentInclude = z.enum([
  'agent.blocks',
  'agent.identities',
  'agent.managed_group',
  'agent.pending_approval',
  'agent.secrets',
  'agent.sources',
  'agent.tags',
  'agent.tools',
])
export type AgentInclude = z.infer<typeof AgentInclude>

/** How old messages are summarised (groups.md §5.5.1). */
const CompactionSettings = z.object({
  model: Name.nullish().describe('A handle; default: the agent’s own model'),
  model_settings: ModelSettings.nullish(),
  prompt: Text.nullish(),
  prompt_acknowledgement: z.boolean().default(false),
  clip_chars: z.int().min(1).nullable().default(50_000),
  mode: z.enum(['all', 'sliding_window', 'self_compact_all', 'self_compact_sliding_window']).default('sliding_window'),
  sliding_window_percentage: z.number().gt(0).lt(1).default(0.3),
})

/** `POST /v1/agents/{agent_id}/summarize`: the agent's settings, unless it says others for this time. */
export const SummarizeRequest = z.object({ compaction_settings: CompactionSettings.nullish() })

const SourceId = idOf('source')
const IdentityId = idOf('identity')
const Variables = z.record(z.string(), z.string())
const toolRules = z.array(ToolRule).max(1000).nullish()

/** Settings that a new agent and a change of one take alike: null = none. */
const settings = {
  description: Text.nullish(),
  metadata: Metadata.nullish(),
  tool_rules: toolRules,
  tool_exec_environment_variables: Variables.nullish(),
  secrets: Variables.nullish(),
  embedding: Name.nullish(),
  embedding_config: EmbeddingConfig.nullish(),
  llm_config: LLMConfig.nullish().describe('Deprecated: `model` and `model_settings`'),
  model_settings: ModelSettings.nullish(),
  compaction_settings: CompactionSettings.nullish(),
  response_format: ResponseFormat.nullish(),
  context_window_limit: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish().describe('Deprecated: `model_settings.max_output_tokens`'),
  reasoning: z.boolean().nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  enable_sleeptime: z.boolean().nullish(),
  timezone: Name.nullish().describe('An IANA name'),
  max_files_open: z.int().min(0).max(1000).nullish(),
  per_file_view_window_char_limit: z.int().min(0).nullish(),
  hidden: z.boolean().nullish(),
  project_id: Name.nullish(),
  template_id: Name.nullish(),
  base_template_id: Name.nullish(),
}

/** Everything may be left out (groups.md §4.2.2). */
export const CreateAgent = z.object({
  ...settings,
  name: unlessNull(Name.min(1)),
  agent_type: AgentType.default('letta_v1_agent'),
  system: Text.nullish(),
  model: Name.nullish().describe('A handle: `provider/model`'),
  memory_blocks: list(CreateBlock),
  block_ids: list(BlockId),
  tools: list(Name).describe('Names of tools'),
  tool_ids: list(ToolId),
  source_ids: list(SourceId),
  folder_ids: list(SourceId),
  identity_ids: list(IdentityId),
  tags: list(Name),
  initial_message_sequence: z.array(MessageCreate).max(1000).nullish(),
  include_base_tools: z.boolean().default(true),
  include_multi_agent_tools: z.boolean().default(false),
  include_base_tool_rules: z.boolean().nullish(),
  include_default_source: z.boolean().default(false),
  message_buffer_autoclear: z.boolean().default(false),
  embedding_chunk_size: z.int().nullish(),
  max_reasoning_tokens: z.int().nullish(),
  enable_reasoner: z.boolean().nullish(),
  from_template: Name.nullish(),
  template: z.boolean().default(false),
  project: Name.nullish(),
  memory_variables: Variables.nullish(),
})
export type CreateAgent = z.infer<typeof CreateAgent>

/** Absent = unchanged; a list replaces the whole list (groups.md §4.2.5, design §5 row 22). */
export const UpdateAgent = z.object({
  ...settings,
  name: unlessNull(Name.min(1)),
  system: unlessNull(Text),
  model: unlessNull(Name),
  block_ids: unlessNull(z.array(BlockId).max(1000)),
  tool_ids: unlessNull(z.array(ToolId).max(1000)),
  source_ids: unlessNull(z.array(SourceId).max(1000)),
  folder_ids: unlessNull(z.array(SourceId).max(1000)),
  identity_ids: unlessNull(z.array(IdentityId).max(1000)),
  message_ids: unlessNull(z.array(MessageId).max(100_000)),
  tags: unlessNull(z.array(Name).max(1000)),
  message_buffer_autoclear: unlessNull(z.boolean()),
  last_run_completion: z.iso.datetime({ offset: true }).nullish(),
  last_run_duration_ms: z.int().nullish(),
  last_stop_reason: StopReasonType.nullish(),
})
export type UpdateAgent = z.infer<typeof UpdateAgent>

const time = z.iso.datetime({ offset: true }).nullable()

const EnvironmentVariable = z.object({
  created_by_id: z.string().nullable(),
  last_updated_by_id: z.string().nullable(),
  created_at: time,
  updated_at: time,
  id: z.string(),
  key: z.string(),
  value: z.string(),
  description: z.string().nullable(),
  value_enc: z.string().nullable(),
  agent_id: z.string(),
})

/** An agent's blocks in an older form; `GET /v1/agents/{agent_id}/core-memory`. */
export const Memory = z.object({
  agent_type: AgentType.nullable(),
  git_enabled: z.boolean(),
  blocks: z.array(Block),
  file_blocks: z.array(z.never()),
  prompt_template: z.string(),
})

/** An agent as it goes out: these keys and no others (groups.md §4.2.1). */
export const AgentState = z.object({
  created_by_id: z.string().nullable(),
  last_updated_by_id: z.string().nullable(),
  created_at: time,
  updated_at: time,
  id: AgentId,
  name: z.string(),
  tool_rules: z.array(ToolRule).nullable(),
  message_ids: z.array(z.string()).nullable().describe('What the model sees; the first is the system message'),
  system: z.string().describe('The prompt without memory'),
  agent_type: AgentType,
  llm_config: LLMConfig,
  embedding_config: EmbeddingConfig.nullable(),
  model: z.string().nullable(),
  embedding: z.string().nullable(),
  model_settings: ModelSettings.nullable(),
  compaction_settings: CompactionSettings.nullable(),
  response_format: ResponseFormat.nullable(),
  description: z.string().nullable(),
  metadata: Metadata.nullable(),
  memory: Memory.describe('Deprecated: `blocks`'),
  blocks: z.array(Block),
  tools: z.array(Tool),
  sources: z.array(z.never()),
  tags: z.array(z.string()),
  tool_exec_environment_variables: z.array(EnvironmentVariable),
  secrets: z.array(EnvironmentVariable),
  project_id: z.string().nullable(),
  template_id: z.string().nullable(),
  base_template_id: z.string().nullable(),
  deployment_id: z.string().nullable(),
  entity_id: z.string().nullable(),
  identity_ids: z.array(z.string()),
  identities: z.array(z.never()),
  pending_approval: ApprovalRequestMessage.nullable(),
  message_buffer_autoclear: z.boolean(),
  enable_sleeptime: z.boolean().nullable(),
  multi_agent_group: Group.nullable().describe('Deprecated: `managed_group`'),
  managed_group: Group.nullable().describe('The group that this agent manages'),
  last_run_completion: time,
  last_run_duration_ms: z.int().nullable(),
  last_stop_reason: StopReasonType.nullable(),
  timezone: z.string().nullable(),
  max_files_open: z.int().nullable(),
  per_file_view_window_char_limit: z.int().nullable(),
  hidden: z.boolean().nullable(),
})
export type AgentState = z.infer<typeof AgentState>

/** Relations are always loaded: what asks for some is accepted (design §5 row 23). */
export const AgentRelations = z.object({
  include: repeated(AgentInclude),
  include_relationships: repeated(Name).describe('Deprecated'),
})

/** `GET /v1/agents/` (groups.md §4.2.4). */
export const ListAgentsQuery = pageQuery({ limit: 50, order: 'desc' })
  .extend({
    order_by: z
      .enum(['created_at', 'updated_at', 'last_run_completion'])
      .default('created_at')
      .describe('Agents that have not run yet come last in either order'),
    name: Name.optional(),
    query_text: Name.optional().describe('A part of the name, upper or lower case'),
    tags: repeated(Name),
    match_all_tags: z.stringbool().default(false),
    project_id: Name.optional(),
    template_id: Name.optional(),
    base_template_id: Name.optional(),
    identity_id: Name.optional(),
    identifier_keys: repeated(Name),
    last_stop_reason: StopReasonType.optional(),
    created_by_id: Name.optional(),
    ...AgentRelations.shape,
    show_hidden_agents: z.stringbool().default(false),
    ascending: z.stringbool().default(false).describe('Deprecated; true wins over `order`'),
    sort_by: Name.optional().describe('Deprecated'),
  })
  .transform((query) => (query.ascending ? { ...query, order: 'asc' as const } : query))
export type ListAgentsQuery = z.infer<typeof ListAgentsQuery>
