import { z } from 'zod'
import type { NewTool } from '../db/store.ts'
import { InvalidArgument, InvalidFields } from '../errors.ts'
import type { CreateTool, RunSource, UpdateTool } from '../wire/tool.ts'
import { NoSchema, pythonFunctionName, pythonSchema } from './python-schema.ts'
import type { SourceTool } from './sandbox.ts'

/** A tool as it was asked for. @throws {InvalidFields} when its schema cannot be read from its source */
export function newTool(create: CreateTool): NewTool {
  const schema = create.json_schema ?? schemaOf(create.source_code)
  return {
    tool_type: 'custom',
    name: schema.name,
    description: create.description ?? schema.description ?? null,
    source_type: create.source_type,
    source_code: create.source_code,
    json_schema: schema,
    args_json_schema: create.args_json_schema ?? null,
    tags: create.tags,
    return_char_limit: create.return_char_limit,
    pip_requirements: create.pip_requirements ?? null,
    npm_requirements: create.npm_requirements ?? null,
    default_requires_approval: create.default_requires_approval ?? null,
    enable_parallel_execution: create.enable_parallel_execution ?? false,
    created_by_id: null,
    last_updated_by_id: null,
    metadata_: {},
    project_id: null,
  }
}

/** What only a tool's owner says: of the others it comes with the server, or from theirs. */
const own = ['source_code', 'source_type', 'json_schema', 'args_json_schema', 'description', 'metadata_', 'tags'] as const

/**
 * The tool after a PATCH. A new Python source without a schema brings its own; a new schema may bring a new name.
 *
 * @throws {InvalidFields}, {InvalidArgument} for what cannot be changed of a tool that is not custom
 */
export function changedTool(tool: NewTool, update: UpdateTool): NewTool {
  const refused = tool.tool_type === 'custom' ? undefined : own.find((key) => update[key] !== undefined)
  if (refused) {
    throw new InvalidArgument(`INVALID_ARGUMENT: ${refused} of ${tool.name} cannot be changed: its type is ${tool.tool_type}`)
  }
  const changed = Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined)) as Partial<NewTool>
  const next = { ...tool, ...changed }
  const source = update.json_schema || next.source_type !== 'python' ? undefined : update.source_code
  const schema = update.json_schema ?? (source === undefined ? undefined : schemaOf(source))
  if (!schema) return next
  return {
    ...next,
    name: schema.name,
    json_schema: schema,
    description: update.description ?? schema.description ?? next.description,
  }
}

/** What to run of source that is not stored. @throws {InvalidFields} when nothing says which function */
export function toRun({ name, json_schema: schema, source_type, source_code }: RunSource): SourceTool {
  const type = source_type ?? 'python'
  const told = name ?? schema?.['name'] ?? (type === 'python' ? pythonFunctionName(source_code) : undefined)
  if (typeof told !== 'string') throw invalid('name', 'is required: nothing else says which function to call')
  return { name: told, source_type: type, source_code }
}

function schemaOf(source: string) {
  try {
    return pythonSchema(source)
  } catch (error) {
    if (error instanceof NoSchema) throw invalid('json_schema', `cannot be read from the source. ${error.message}`)
    throw error
  }
}

const invalid = (field: string, message: string) =>
  new InvalidFields('body', new z.ZodError([{ code: 'custom', path: [field], message, input: undefined }]), {})
