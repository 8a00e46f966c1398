import type { AgentState } from '../wire/agent.ts'
import type { Block } from '../wire/block.ts'
import type { Group } from '../wire/group.ts'
import type { Tool } from '../wire/tool.ts'
import type { Client } from './client.ts'
import { UsageError } from './command.ts'
import { loadGroup } from './current.ts'

/**
 * The agent that a person means: by its id or its name.
 *
 * @throws {UsageError} when there is none, or several
 */
export async function meantAgent(client: Client, word: string): Promise<AgentState> {
  if (/^agent-[0-9a-f-]{36}$/.test(word)) return await client.get(`/v1/agents/${word}`)
  const all = await client.all<AgentState>(`/v1/agents/?show_hidden_agents=true&name=${encodeURIComponent(word)}`)
  if (all.length === 1) return all[0]!
  const lines = all.map(({ id, description }) => `${id}  ${description ?? ''}`.trim())
  throw new UsageError([all.length === 0 ? `There is no agent ${word}` : 'Which agent?', ...lines].join('\n'))
}

/** An agent as a file that Letta and `import` read, with the group that it manages and who is in it. Its messages stay. */
export async function exported(client: Client, first: AgentState): Promise<string> {
  const agents = new Map([[first.id, first]])
  const groups = new Map<string, Group>()
  const blocks = new Map<string, Block>()
  const tools = new Map<string, Tool>()
  // Agents that are found on the way are walked, too.
  for (const agent of agents.values()) {
    for (const block of agent.blocks) blocks.set(block.id, block)
    for (const tool of agent.tools) tools.set(tool.id, tool)
    if (!agent.managed_group) continue
    const { group, agents: members, shared } = await loadGroup(client, agent.managed_group)
    groups.set(group.id, group)
    for (const block of shared) blocks.set(block.id, block)
    for (const member of members) if (!agents.has(member.id)) agents.set(member.id, member)
  }
  const ids = new Map(
    Object.entries({ agent: agents, group: groups, block: blocks, tool: tools }).flatMap(([kind, rows]) =>
      [...rows.keys()].map((id, index) => [id, `${kind}-${index}`] as const),
    ),
  )
  const inFile = (id: string) => ids.get(id)!
  const file = {
    agents: [...agents.values()].map((agent) => agentOf(agent, inFile)),
    groups: [...groups.values()].map((group) => groupOf(group, inFile)),
    blocks: [...blocks.values()].map((block) => ({ ...withoutOrigin(block), id: inFile(block.id) })),
    files: [],
    sources: [],
    tools: [...tools.values()].map((tool) => ({ ...withoutOrigin(tool), id: inFile(tool.id) })),
    mcp_servers: [],
    metadata: {},
    created_at: new Date().toISOString(),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

function agentOf(agent: AgentState, inFile: (id: string) => string) {
  return {
    id: inFile(agent.id),
    name: agent.name,
    agent_type: agent.agent_type,
    system: agent.system,
    description: agent.description,
    metadata: agent.metadata,
    tags: agent.tags,
    block_ids: agent.blocks.map(({ id }) => inFile(id)),
    tool_ids: agent.tools.map(({ id }) => inFile(id)),
    source_ids: [],
    group_ids: agent.managed_group ? [inFile(agent.managed_group.id)] : [],
    tool_rules: agent.tool_rules,
    model: agent.model,
    // Where a model is reached is the business of each server.
    llm_config: { ...agent.llm_config, model_endpoint: null },
    model_settings: agent.model_settings,
    embedding: agent.embedding,
    embedding_config: agent.embedding_config,
    compaction_settings: agent.compaction_settings,
    response_format: agent.response_format,
    message_buffer_autoclear: agent.message_buffer_autoclear,
    timezone: agent.timezone,
    max_files_open: agent.max_files_open,
    per_file_view_window_char_limit: agent.per_file_view_window_char_limit,
    hidden: agent.hidden,
    tool_exec_environment_variables: {},
    include_base_tools: false,
    include_multi_agent_tools: false,
    include_base_tool_rules: false,
    include_default_source: false,
    // Who works for it in the background is in the file.
    enable_sleeptime: false,
    in_context_message_ids: [],
    messages: [],
    files_agents: [],
  }
}

/** A manager's settings are nested here, and only those that it has. */
function groupOf(group: Group, inFile: (id: string) => string) {
  const { manager_type, max_turns, termination_token, sleeptime_agent_frequency } = group
  const { max_message_buffer_length, min_message_buffer_length, manager_agent_id } = group
  const settings = {
    manager_type,
    manager_agent_id: manager_agent_id && inFile(manager_agent_id),
    max_turns,
    termination_token,
    sleeptime_agent_frequency,
    max_message_buffer_length,
    min_message_buffer_length,
  }
  return {
    id: inFile(group.id),
    agent_ids: group.agent_ids.map(inFile),
    description: group.description,
    manager_config: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null)),
    shared_block_ids: group.shared_block_ids.map(inFile),
    hidden: group.hidden,
  }
}

/** Who made it, and where, is nobody's business elsewhere. */
function withoutOrigin<T extends Block | Tool>(row: T) {
  return { ...row, created_by_id: null, last_updated_by_id: null, project_id: null }
}
