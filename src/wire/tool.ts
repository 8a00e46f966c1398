import { z } from 'zod'
import { Metadata, Name, Text } from './field.ts'

const Requirements = z.array(z.object({ name: Name.min(1), version: Name.nullable() })).nullable()

export const Tool = z.object({
  id: z.string(),
  tool_type: z.enum([
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
  ]),
  description: z.string().nullable(),
  source_type: z.string().nullable(),
  name: z.string().nullable(),
  tags: z.array(z.string()),
  source_code: z.string().nullable().describe('Null for built-in tools'),
  json_schema: Metadata.nullable().describe('`{name, description, parameters}`, flat'),
  args_json_schema: Metadata.nullable(),
  return_char_limit: z.int().min(1).max(1_000_000),
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
