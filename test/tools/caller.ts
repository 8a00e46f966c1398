import type { Store } from '../../src/db/store.ts'
import type { ToolCallContext } from '../../src/tools/tool.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Tool } from '../../src/wire/tool.ts'

/** A custom tool; `parameters` are those of its schema. */
export const tool = (name: string, { parameters = {}, ...given }: Partial<Tool> & { parameters?: object } = {}): Tool => ({
  id: `tool-${name}`,
  tool_type: 'custom',
  description: '',
  source_type: 'python',
  name,
  tags: [],
  source_code: '',
  json_schema: { name, description: '', parameters: { type: 'object', ...parameters } },
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
  ...given,
})

/** Who calls; a store only where the test reads it. */
export const caller = (given: Partial<ToolCallContext> = {}): ToolCallContext => ({
  store: {} as Store,
  tenant: 'org',
  agent: { id: 'agent-me', name: 'Me' } as AgentState,
  signal: new AbortController().signal,
  callKey: 'step/call',
  ...given,
})
