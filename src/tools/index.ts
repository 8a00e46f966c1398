import type { Tool } from '../wire/tool.ts'
import { coreMemoryAppend, coreMemoryReplace, memoryInsert, memoryReplace } from './memory.ts'
import { sendMessage } from './message.ts'
import type { BuiltinTool } from './tool.ts'

/** The tools that come with the server, by name. A new one is one file and one name here. */
export const builtinTools: ReadonlyMap<string, BuiltinTool> = new Map(
  [sendMessage, coreMemoryAppend, coreMemoryReplace, memoryReplace, memoryInsert].map((tool) => [tool.name, tool]),
)

/** A built-in tool as it is stored and shown. */
export const toolRow = ({ name, type, description, parameters }: BuiltinTool): Omit<Tool, 'id'> => ({
  tool_type: type,
  description,
  source_type: 'python',
  name,
  tags: [type],
  source_code: null,
  json_schema: { name, description, parameters },
  args_json_schema: null,
  return_char_limit: 50_000,
  pip_requirements: null,
  npm_requirements: null,
  default_requires_approval: null,
  enable_parallel_execution: false,
  created_by_id: null,
  last_updated_by_id: null,
  metadata_: {},
  project_id: null,
})
