import { z } from 'zod'
import { list, Metadata, Name, Text, unlessNull } from './field.ts'
import { pageQuery, repeated } from './page.ts'

const Requirements = z.array(z.object({ name: Name.min(1), version: Name.nullable() })).nullable()

export const ToolType = z.enum([
  'custom',
  'letta_core',
  'letta_memory_core',
  'letta_multi_agent_core',
  'letta_sleeptime_core',
  'letta_voice_sleeptime_core',
  'letta_builtin',
  'letta_files_core',
  'external_langchain',
  'external_composio',
  'external_mcp',
])
export type ToolType = z.infer<typeof ToolType>

const ReturnLimit = z.int().min(1).max(1_000_000)

export const Tool = z.object({
  id: z.string(),
  tool_type: ToolType,
  description: z.string().nullable(),
  source_type: z.string().nullable(),
  name: z.string().nullable(),
  tags: z.array(z.string()),
  source_code: z.string().nullable().describe('Null for built-in tools'),
  json_schema: Metadata.nullable().describe('`{name, description, parameters}`, flat'),
  args_json_schema: Metadata.nullable(),
  return_char_limit: ReturnLimit,
  pip_requirements: Requirements,
  npm_requirements: Requirements,
  default_requires_approval: z.boolean().nullable(),
  enable_parallel_execution: z.boolean().nullable(),
  created_by_id: z.string().nullable(),
  last_updated_by_id: z.string().nullable(),
  metadata_: Metadata.nullable(),
  project_id: z.string().nullable(),
})
export type Tool = z.infer<typeof Tool>

/** What a function can be called in Python and JavaScript, and what every provider takes. */
export const FunctionName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be a name that a function can have, 64 characters at most')

const SourceType = z.enum(['python', 'typescript', 'javascript', 'json'])
const SourceCode = z.string().min(1).max(1_000_000)

/** Flat: no `function` around it. */
export const JsonSchema = z.looseObject({
  name: FunctionName,
  description: Text.nullish(),
  parameters: z.looseObject({ type: z.literal('object') }).default({ type: 'object', properties: {} }),
})

const Tags = z.array(Name).max(1000)

/** Both POST and PUT of `/v1/tools` (groups.md §4.4.2). Unknown keys are refused, as Letta does. */
export const CreateTool = z
  .strictObject({
    source_code: SourceCode,
    source_type: SourceType.default('python'),
    json_schema: JsonSchema.nullish().describe('Left out for Python: read from the signature and the docstring'),
    args_json_schema: Metadata.nullish(),
    description: Text.nullish(),
    tags: list(Name),
    return_char_limit: ReturnLimit.default(50_000),
    pip_requirements: Requirements.optional().describe('Kept; nothing is installed'),
    npm_requirements: Requirements.optional().describe('Kept; nothing is installed'),
    default_requires_approval: z.boolean().nullish(),
    enable_parallel_execution: z.boolean().nullish(),
  })
  .refine(({ source_type: type, json_schema: schema }) => type === 'python' || schema, {
    path: ['json_schema'],
    message: 'is required unless source_type is python',
  })
export type CreateTool = z.infer<typeof CreateTool>

/** Absent = unchanged (design §5 row 22). */
export const UpdateTool = z.object({
  source_code: unlessNull(SourceCode),
  source_type: unlessNull(SourceType),
  json_schema: unlessNull(JsonSchema),
  args_json_schema: Metadata.nullish(),
  description: Text.nullish(),
  tags: unlessNull(Tags),
  return_char_limit: unlessNull(ReturnLimit),
  pip_requirements: Requirements.optional(),
  npm_requirements: Requirements.optional(),
  metadata_: Metadata.nullish(),
  default_requires_approval: z.boolean().nullish(),
  enable_parallel_execution: z.boolean().nullish(),
})
export type UpdateTool = z.infer<typeof UpdateTool>

/** `POST /v1/tools/run`: source that is not stored. */
export const RunSource = z.strictObject({
  source_code: SourceCode,
  args: Metadata,
  env_vars: z.record(z.string(), z.string()).default({}),
  name: FunctionName.nullish().describe('Default: the name in json_schema, or the last function of a Python source'),
  source_type: SourceType.nullish(),
  json_schema: Metadata.nullish(),
  args_json_schema: Metadata.nullish(),
  pip_requirements: Requirements.optional(),
  npm_requirements: Requirements.optional(),
})
export type RunSource = z.infer<typeof RunSource>

/** `POST /v1/agents/{agent_id}/tools/{tool_name}/run` */
export const RunTool = z.strictObject({ args: Metadata.default({}) })

export const ToolExecutionResult = z.object({
  status: z.enum(['success', 'error']),
  func_return: z.unknown().describe('Null after an error; what went wrong is the last line of stderr'),
  agent_state: z.null(),
  stdout: z.array(z.string()).nullable(),
  stderr: z.array(z.string()).nullable(),
  sandbox_config_fingerprint: z.null(),
})
export type ToolExecutionResult = z.infer<typeof ToolExecutionResult>

/** In the body; in the query it is deprecated. One of them must say it. */
export const ModifyApproval = z.strictObject({ requires_approval: z.boolean().optional() }).nullish()

/** Repeated, or with commas between them. */
const several = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => {
    if (value === undefined) return undefined
    const words = Array.isArray(value) ? value : [value]
    return words.flatMap((word) => (typeof word === 'string' ? word.split(',') : [word]))
  }, repeated(item))

/** `GET /v1/tools/` and its count (groups.md §4.4.2). */
export const ListToolsQuery = pageQuery({ limit: 50, order: 'desc' }).extend({
  name: Name.optional(),
  names: several(Name),
  tool_ids: several(Name),
  search: Name.optional().describe('A part of the name'),
  tool_types: several(ToolType),
  exclude_tool_types: several(ToolType),
  return_only_letta_tools: z.stringbool().default(false),
  exclude_letta_tools: z.stringbool().default(false),
})
export type ListToolsQuery = z.infer<typeof ListToolsQuery>

const rule = <T extends string>(type: T) => ({
  tool_name: Name,
  type: z.literal(type),
  prompt_template: Text.nullish().describe('No effect'),
})
const children = z.array(Name).max(1000)

/** What binds an agent's tools together (groups.md §5.6.1). Unknown keys are refused, as Letta does. */
export const ToolRule = z.discriminatedUnion('type', [
  z.strictObject({ ...rule('run_first'), args: Metadata.nullish() }),
  z.strictObject({
    ...rule('constrain_child_tools'),
    children,
    child_arg_nodes: z
      .array(z.object({ name: Name, args: Metadata.nullish() }))
      .max(1000)
      .nullish(),
  }),
  z.strictObject({ ...rule('parent_last_tool'), children }),
  z.strictObject({
    ...rule('conditional'),
    child_output_mapping: z
      .record(z.string(), Name)
      .refine((mapping) => Object.keys(mapping).length > 0, 'child_output_mapping must not be empty'),
    default_child: Name.nullish(),
    require_output_mapping: z.boolean().default(false),
  }),
  z.strictObject(rule('exit_loop')),
  z.strictObject(rule('continue_loop')),
  z.strictObject({ ...rule('max_count_per_step'), max_count_limit: z.int().min(1) }),
  z.strictObject(rule('required_before_exit')),
  z.strictObject(rule('requires_approval')),
])
export type ToolRule = z.infer<typeof ToolRule>
