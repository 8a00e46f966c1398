import type { AgentState } from '../wire/agent.ts'
import type { Block } from '../wire/block.ts'
import type { Group } from '../wire/group.ts'
import type { Client } from './client.ts'
import type { AgentInFile, BlockInFile, GroupFile } from './group-file.ts'

/** A group on the server, whole. */
export interface Current {
  group: Group
  agents: AgentState[]
  shared: Block[]
}

export async function loadGroup(client: Client, group: Group): Promise<Current> {
  const ids = [...new Set([...group.agent_ids, ...(group.manager_agent_id === null ? [] : [group.manager_agent_id])])]
  const agents = await Promise.all(ids.map((id) => client.get<AgentState>(`/v1/agents/${id}`)))
  const shared = await Promise.all(group.shared_block_ids.map((id) => client.get<Block>(`/v1/blocks/${id}`)))
  return { group, agents, shared }
}

/**
 * The file that describes it.
 *
 * @throws {Error} when two of its agents have one name
 */
export function fileOf({ group, agents, shared }: Current, name: string): GroupFile {
  const nameOf = (id: string) => agents.find((agent) => agent.id === id)!.name
  const names = agents.map((agent) => agent.name)
  const twice = names.find((one, index) => names.indexOf(one) !== index)
  if (twice !== undefined) throw new Error(`Two agents of the group are called ${twice}: give one of them another name first`)
  const sharedIds = new Set(shared.map(({ id }) => id))
  const custom = new Map(
    agents.flatMap(({ tools }) =>
      tools.filter((tool) => tool.tool_type === 'custom').map((tool) => [tool.name, tool] as const),
    ),
  )
  return {
    group: name,
    description: group.description,
    manager: managerOf(group, nameOf),
    members: group.agent_ids.map(nameOf),
    agents: agents.map((agent) => agentOf(agent, sharedIds)),
    shared_memory: shared.map(blockOf),
    tools: [...custom.values()].map(
      ({ source_code, source_type, json_schema, description, tags, return_char_limit, default_requires_approval }) =>
        given({
          source_code,
          source_type,
          json_schema,
          description,
          tags,
          return_char_limit,
          default_requires_approval,
        }) as GroupFile['tools'][number],
    ),
  }
}

export function managerOf(group: Group, nameOf: (id: string) => string): GroupFile['manager'] {
  const { max_turns, termination_token, sleeptime_agent_frequency } = group
  const { max_message_buffer_length, min_message_buffer_length } = group
  return given({
    type: group.manager_type,
    agent: group.manager_agent_id === null ? null : nameOf(group.manager_agent_id),
    max_turns,
    termination_token,
    sleeptime_agent_frequency,
    max_message_buffer_length,
    min_message_buffer_length,
  }) as GroupFile['manager']
}

export const agentOf = (agent: AgentState, shared: ReadonlySet<string>): AgentInFile => ({
  ...(given({
    name: agent.name,
    type: agent.agent_type,
    model: agent.model,
    description: agent.description,
    system: agent.system,
    tool_rules: agent.tool_rules,
    model_settings: agent.model_settings,
    metadata: agent.metadata,
    timezone: agent.timezone,
  }) as AgentInFile),
  tags: agent.tags,
  tools: agent.tools.flatMap(({ name }) => name ?? []),
  memory: agent.blocks.filter(({ id }) => !shared.has(id)).map(blockOf),
})

export const blockOf = ({ label, value, description, limit, read_only }: Block): BlockInFile => ({
  ...(given({ label: label ?? '', value, description, limit }) as BlockInFile),
  ...(read_only && { read_only }),
})

/** Without what nobody has said. */
const given = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
