import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { CreateAgent } from '../wire/agent.ts'
import { CreateBlock } from '../wire/block.ts'
import { list, Name } from '../wire/field.ts'
import { GroupCreate, ManagerConfig } from '../wire/group.ts'
import { newId } from '../wire/id.ts'
import { shallow } from '../wire/shallow.ts'
import { CreateTool, JsonSchema, ToolRule, ToolType } from '../wire/tool.ts'

/** Says which is which inside one file, and nothing outside of it. */
const FileId = z.string().min(1).max(200)

/** As in requests, but what another version of Letta adds to a rule is passed over. */
const LenientToolRule = z.discriminatedUnion(
  'type',
  ToolRule.options.map((rule) => rule.strip()) as unknown as typeof ToolRule.options,
)

/** Values are taken out when an agent is exported; the keys stay. */
const Secrets = z.record(z.string(), z.string().nullable()).nullish()

const AgentInFile = CreateAgent.pick({
  agent_type: true,
  system: true,
  description: true,
  metadata: true,
  tags: true,
  model: true,
  llm_config: true,
  model_settings: true,
  context_window_limit: true,
  max_tokens: true,
  reasoning: true,
  parallel_tool_calls: true,
  response_format: true,
  compaction_settings: true,
  embedding: true,
  embedding_config: true,
  message_buffer_autoclear: true,
  timezone: true,
  max_files_open: true,
  per_file_view_window_char_limit: true,
  hidden: true,
}).extend({
  id: FileId,
  name: Name.min(1),
  block_ids: list(FileId),
  tool_ids: list(FileId),
  group_ids: list(FileId),
  tool_rules: z.array(LenientToolRule).max(1000).nullish(),
  secrets: Secrets,
  tool_exec_environment_variables: Secrets,
  messages: z.array(z.object({ role: z.string() })).nullish(),
})
export type AgentInFile = z.infer<typeof AgentInFile>

const BlockInFile = CreateBlock.pick({
  label: true,
  value: true,
  limit: true,
  description: true,
  read_only: true,
  metadata: true,
  tags: true,
  hidden: true,
}).extend({ id: FileId })

/** Only custom ones come with their source; the others are those that a server has. */
const ToolInFile = z.discriminatedUnion('tool_type', [
  z.object({ ...CreateTool.shape, id: FileId, tool_type: z.literal('custom'), json_schema: JsonSchema }),
  z.object({ id: FileId, tool_type: ToolType.exclude(['custom']), name: Name.min(1) }),
])
export type ToolInFile = z.infer<typeof ToolInFile>

/** A `ManagerConfig` whose manager goes by its id in the file. */
const ManagerInFile = z
  .looseObject({ manager_type: z.string(), manager_agent_id: FileId.nullish() })
  .superRefine((config, context) => {
    const manager = config.manager_agent_id && { manager_agent_id: newId('agent') }
    const { error } = ManagerConfig.safeParse({ ...config, ...manager })
    for (const { path, message } of error?.issues ?? []) context.addIssue({ code: 'custom', path, message })
  })

const GroupInFile = z.object({
  id: FileId,
  agent_ids: z.array(FileId).max(1000),
  description: GroupCreate.shape.description,
  manager_config: ManagerInFile.default({ manager_type: 'round_robin' }),
  shared_block_ids: list(FileId),
  hidden: z.boolean().nullish(),
})

const Unserved = z
  .array(z.unknown())
  .nullish()
  .transform((items) => items?.length ?? 0)

/** Letta's agent file (`.af`): agents with all that hangs on them. What is not named here is passed over. */
export const AgentFile = z
  .object({
    agents: z.array(AgentInFile).min(1).max(1000),
    groups: list(GroupInFile),
    blocks: list(BlockInFile),
    tools: list(ToolInFile),
    files: Unserved,
    sources: Unserved,
    mcp_servers: Unserved,
    skills: Unserved,
  })
  .superRefine(checkIds)
export type AgentFile = z.infer<typeof AgentFile>

export const toolName = (tool: ToolInFile): string => (tool.tool_type === 'custom' ? tool.json_schema.name : tool.name)

const MAX_BYTES = 50_000_000
const SHOWN = 8

/** @throws {Error} that says what is wrong where, the first of it */
export function readAgentFile(path: string): AgentFile {
  const { size } = statSync(path)
  if (size > MAX_BYTES) throw new Error(`The file is larger than ${MAX_BYTES / 1e6} MB`)
  const { data, error } = shallow(AgentFile).safeParse(parseJson(readFileSync(path, 'utf8')))
  if (!error) return data
  const wrong = error.issues.map(({ path: place, message }) => `${z.core.toDotPath(place)}: ${message}`.slice(0, 200))
  const more = wrong.length > SHOWN ? [`… and ${wrong.length - SHOWN} more`] : []
  throw new Error(['The file is not an agent file:', ...wrong.slice(0, SHOWN), ...more].join('\n'))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('The file is not an agent file: it is not JSON')
  }
}

/** Every id is there once, and what names one finds it in this file: nothing else on a server can be meant. */
function checkIds({ agents, groups, blocks, tools }: AgentFile, context: z.RefinementCtx): void {
  const wrong = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message })
  const unique = (kind: string, rows: { id: string }[]) => {
    const ids = new Set<string>()
    for (const [index, { id }] of rows.entries()) {
      if (ids.has(id)) wrong([kind, index, 'id'], `${id} is there twice`)
      ids.add(id)
    }
    return ids
  }
  const [agentIds, groupIds] = [unique('agents', agents), unique('groups', groups)]
  const [blockIds, toolIds] = [unique('blocks', blocks), unique('tools', tools)]
  const known = (ids: ReadonlySet<string>, named: string[], ...path: (string | number)[]) => {
    for (const [index, id] of named.entries()) if (!ids.has(id)) wrong([...path, index], `${id} is not in this file`)
  }
  for (const [index, agent] of agents.entries()) {
    known(blockIds, agent.block_ids, 'agents', index, 'block_ids')
    known(toolIds, agent.tool_ids, 'agents', index, 'tool_ids')
    known(groupIds, agent.group_ids, 'agents', index, 'group_ids')
  }
  const managed = new Map<string, string[]>()
  for (const [index, { agent_ids, shared_block_ids, manager_config }] of groups.entries()) {
    const { manager_agent_id: manager } = manager_config
    known(agentIds, agent_ids, 'groups', index, 'agent_ids')
    known(blockIds, shared_block_ids, 'groups', index, 'shared_block_ids')
    if (!manager) continue
    const path = ['groups', index, 'manager_config', 'manager_agent_id']
    if (!agentIds.has(manager)) wrong(path, `${manager} is not in this file`)
    else if (managed.has(manager)) wrong(path, `${manager} manages another group already`)
    else managed.set(manager, agent_ids)
  }
  const circle = circleIn(managed)
  if (circle) wrong(['groups'], `${circle.join(' manages ')}: that goes in a circle`)
  const names = new Set<string>()
  for (const [index, tool] of tools.entries()) {
    if (names.has(toolName(tool))) wrong(['tools', index], `Another tool is called ${toolName(tool)}`)
    names.add(toolName(tool))
  }
}

/** Agents that manage each other; one that is in the group it manages is no circle. */
function circleIn(managed: ReadonlyMap<string, string[]>): string[] | undefined {
  const done = new Set<string>()
  const walk = (id: string, above: string[]): string[] | undefined => {
    if (above.includes(id)) return [...above.slice(above.indexOf(id)), id]
    if (done.has(id)) return undefined
    for (const member of managed.get(id) ?? []) {
      const circle = member === id ? undefined : walk(member, [...above, id])
      if (circle) return circle
    }
    done.add(id)
    return undefined
  }
  for (const id of managed.keys()) {
    const circle = walk(id, [])
    if (circle) return circle
  }
  return undefined
}
