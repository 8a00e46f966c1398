import { z } from 'zod'
import { Metadata, Name } from './field.ts'

/** The shape that a model's answer must have. */
export const ResponseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_schema'), json_schema: Metadata }),
  z.object({ type: z.literal('json_object') }),
])
export type ResponseFormat = z.infer<typeof ResponseFormat>

const reasoningEffort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh'])
const effort = z.enum(['low', 'medium', 'high', 'max'])
const verbosity = z.enum(['low', 'medium', 'high'])

/** How an agent's model is called. Each maker knows some of it (groups.md §4.5.2); what we do not know is kept. */
export const ModelSettings = z.looseObject({
  provider_type: Name.optional(),
  max_output_tokens: z.int().min(1).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  reasoning: z.looseObject({ reasoning_effort: reasoningEffort.optional() }).nullish(),
  thinking: z
    .looseObject({ type: z.enum(['enabled', 'disabled']).optional(), budget_tokens: z.int().min(0).optional() })
    .nullish(),
  thinking_config: z.looseObject({ include_thoughts: z.boolean().optional(), thinking_budget: z.int().optional() }).nullish(),
  response_format: ResponseFormat.nullish(),
  response_schema: ResponseFormat.nullish(),
  verbosity: verbosity.nullish(),
  effort: effort.nullish(),
  strict: z.boolean().optional(),
})
export type ModelSettings = z.infer<typeof ModelSettings>

const providerCategory = z.enum(['base', 'byok']).nullable().default(null)

/** Deprecated, but every agent has one (groups.md §4.5.1). */
export const LLMConfig = z.object({
  model: Name,
  display_name: Name.nullable().default(null),
  model_endpoint_type: Name.describe('A maker that the contract lists'),
  model_endpoint: z.string().max(2048).nullable().default(null),
  provider_name: Name.nullable().default(null),
  provider_category: providerCategory,
  model_wrapper: Name.nullable().default(null),
  context_window: z.int().min(1),
  put_inner_thoughts_in_kwargs: z.boolean().nullable().default(false),
  handle: Name.nullable().default(null),
  temperature: z.number().default(1),
  max_tokens: z.int().nullable().default(null),
  enable_reasoner: z.boolean().default(true),
  reasoning_effort: reasoningEffort.nullable().default(null),
  max_reasoning_tokens: z.int().default(0),
  effort: effort.nullable().default(null),
  frequency_penalty: z.number().nullable().default(null),
  compatibility_type: z.enum(['gguf', 'mlx']).nullable().default(null),
  verbosity: verbosity.nullable().default(null),
  tier: Name.nullable().default(null),
  parallel_tool_calls: z.boolean().nullable().default(false),
  response_format: ResponseFormat.nullable().default(null),
  strict: z.boolean().default(false),
  return_logprobs: z.boolean().default(false),
  top_logprobs: z.int().nullable().default(null),
  return_token_ids: z.boolean().default(false),
  tool_call_parser: Name.nullable().default(null),
})
export type LLMConfig = z.infer<typeof LLMConfig>

const embedding = {
  embedding_endpoint_type: Name,
  embedding_endpoint: z.string().max(2048).nullable().default(null),
  embedding_model: Name,
  embedding_dim: z.int(),
  embedding_chunk_size: z.int().nullable().default(300),
  handle: Name.nullable().default(null),
  batch_size: z.int().default(32),
  azure_endpoint: Name.nullable().default(null),
  azure_version: Name.nullable().default(null),
  azure_deployment: Name.nullable().default(null),
}

export const EmbeddingConfig = z.object(embedding)
export type EmbeddingConfig = z.infer<typeof EmbeddingConfig>

/** An item of `GET /v1/models/` (groups.md §4.5.5). */
export const Model = LLMConfig.extend({
  name: z.string(),
  provider_type: z.string().describe('A maker that the contract lists'),
  model_type: z.literal('llm').default('llm'),
  max_context_window: z.int(),
})
export type Model = z.infer<typeof Model>

/** An item of `GET /v1/models/embedding`. */
export const EmbeddingModel = z.object({
  ...embedding,
  name: z.string(),
  display_name: z.string(),
  provider_type: z.string(),
  provider_name: z.string(),
  model_type: z.literal('embedding').default('embedding'),
})
export type EmbeddingModel = z.infer<typeof EmbeddingModel>
