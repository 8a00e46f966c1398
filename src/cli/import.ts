import { stripVTControlCharacters } from 'node:util'
import type { AgentState } from '../wire/agent.ts'
import type { Tool } from '../wire/tool.ts'
import { type AgentFile, type AgentInFile, readAgentFile, type ToolInFile, toolName } from './agent-file.ts'
import { type Client, clientOf, clientOptions, ServerRefusal } from './client.ts'
import { type Command, oneWord } from './command.ts'
import { say } from './terminal.ts'

export const command: Command = {
  usage: '<file.af>',
  summary: 'make the agents of an agent file, from Letta or `export --agent`: all of it or nothing',
  options: {
    model: { type: 'string', help: 'the handle of the model that they all get; by default those in the file' },
    ...clientOptions,
  },
  async run(given) {
    const client = clientOf(given)
    const file = readAgentFile(oneWord(given, 'a file'))
    const tools = matchTools(file.tools, await client.all<Tool>('/v1/tools/'))
    const made = await allOrNothing(client, (make) => makeAll(make, file, tools, given.text('model')))
    // A name in a foreign file must not steer the terminal.
    for (const line of [...made, ...leftOut(file, tools)]) say(stripVTControlCharacters(line).replaceAll(/\p{Cc}/gu, ' '))
    return 0
  },
}

/** What becomes of the tools in a file, by their ids there. */
interface Matched {
  /** Their ids on the server. */
  ids: Map<string, string>
  toMake: Extract<ToolInFile, { tool_type: 'custom' }>[]
  missing: ToolInFile[]
}

/**
 * Built-in tools are those of the server. Of custom ones only the same source is the same tool: another of that name is somebody's.
 * Tools of MCP servers are nobody's to take by a name in a file.
 *
 * @throws {Error} for the name of a tool that is another one here
 */
function matchTools(wanted: ToolInFile[], there: Tool[]): Matched {
  const named = new Map(there.map((tool) => [tool.name, tool]))
  const matched: Matched = { ids: new Map(), toMake: [], missing: [] }
  for (const tool of wanted) {
    const same = named.get(toolName(tool))
    if (tool.tool_type !== 'custom') {
      if (same?.tool_type.startsWith('letta_')) matched.ids.set(tool.id, same.id)
      else matched.missing.push(tool)
    } else if (!same) matched.toMake.push(tool)
    else if (same.source_code === tool.source_code && same.source_type === tool.source_type) matched.ids.set(tool.id, same.id)
    else throw new Error(`The server has another tool ${toolName(tool)}: rename one of them. Nothing was made`)
  }
  return matched
}

type Make = <T extends { id: string }>(what: string, path: string, body: unknown) => Promise<T>

/** Runs it, and when it fails deletes what it made, the last first. @throws {Error} that says what is left, if anything is */
async function allOrNothing<T>(client: Client, work: (make: Make) => Promise<T>): Promise<T> {
  const made: string[] = []
  try {
    return await work(async (what, path, body) => {
      try {
        const row = await client.send<{ id: string }>('POST', path, body)
        made.push(`${path}${row.id}`)
        return row as never
      } catch (cause) {
        throw new Error(`${what}: ${reasonOf(cause)}`, { cause })
      }
    })
  } catch (cause) {
    const left: string[] = []
    for (const path of made.toReversed()) {
      await client.send('DELETE', path).catch((error: unknown) => {
        if (!(error instanceof ServerRefusal && error.status === 404)) left.push(path)
      })
    }
    const state = left.length === 0 ? 'Nothing was made' : `These could not be deleted again: ${left.join(', ')}`
    throw new Error(`${reasonOf(cause)}. ${state}`, { cause })
  }
}

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** @returns a line for each thing that is there now */
async function makeAll(make: Make, file: AgentFile, tools: Matched, model: string | undefined): Promise<string[]> {
  const lines: string[] = []
  const ids = new Map(tools.ids)
  for (const { id, tool_type: _type, ...create } of tools.toMake) {
    const { name } = create.json_schema
    ids.set(id, (await make<Tool>(`tool ${name}`, '/v1/tools/', create)).id)
    lines.push(`tool ${name}: its source is stored, and runs where ROUNDTABLE_CUSTOM_TOOLS is on`)
  }
  for (const { id, ...create } of file.blocks) ids.set(id, (await make(`block ${create.label}`, '/v1/blocks/', create)).id)
  const missing = new Set(tools.missing.map(toolName))
  for (const agent of file.agents) {
    const { id } = await make<AgentState>(`agent ${agent.name}`, '/v1/agents/', creationOf(agent, ids, missing, model))
    ids.set(agent.id, id)
    lines.push(`agent ${agent.name}  ${id}`)
  }
  for (const { id: _id, agent_ids, shared_block_ids, manager_config: manager, ...create } of file.groups) {
    const { id } = await make(`group ${create.description}`, '/v1/groups/', {
      ...create,
      agent_ids: agent_ids.map((member) => ids.get(member)),
      shared_block_ids: shared_block_ids.map((block) => ids.get(block)),
      manager_config: { ...manager, ...(manager.manager_agent_id && { manager_agent_id: ids.get(manager.manager_agent_id) }) },
    })
    lines.push(`group ${create.description}  ${id}`)
  }
  return lines
}

/** The request that makes an agent. A rule of a tool that is missing could keep it from ever ending a turn. */
function creationOf(agent: AgentInFile, ids: ReadonlyMap<string, string>, missing: ReadonlySet<string>, model?: string) {
  const { id: _id, group_ids: _groups, messages: _messages, secrets: _secrets, ...create } = agent
  return {
    ...create,
    tool_exec_environment_variables: Object.fromEntries(
      Object.entries(secretsOf(agent)).map(([key, value]) => [key, value ?? '']),
    ),
    block_ids: agent.block_ids.map((id) => ids.get(id)),
    tool_ids: agent.tool_ids.flatMap((id) => ids.get(id) ?? []),
    tool_rules: agent.tool_rules?.filter(({ tool_name }) => !missing.has(tool_name)),
    include_base_tools: false,
    include_base_tool_rules: false,
    // What was set for another model is not meant for this one.
    ...(model !== undefined && { model, llm_config: null, model_settings: null }),
  }
}

const secretsOf = ({ tool_exec_environment_variables, secrets }: AgentInFile) => ({
  ...tool_exec_environment_variables,
  ...secrets,
})

/** A line for each thing in the file that is not here now. */
function leftOut({ agents, ...file }: AgentFile, { missing }: Matched): string[] {
  const histories = agents.flatMap(({ name, messages }) => {
    const said = messages?.filter(({ role }) => role !== 'system').length ?? 0
    return said > 0 ? [`agent ${name}: its messages are not imported (${said})`] : []
  })
  const secrets = agents.flatMap((agent) => {
    const empty = Object.entries(secretsOf(agent)).flatMap(([key, value]) => (value ? [] : [key]))
    return empty.length > 0 ? [`agent ${agent.name}: the file has no values for its secrets ${empty.join(', ')}`] : []
  })
  const tools = missing.map((tool) =>
    tool.tool_type === 'external_mcp'
      ? `tool ${toolName(tool)}: left out; it is of an MCP server: attach it from yours`
      : `tool ${toolName(tool)}: left out; this server has none`,
  )
  const unserved = (['files', 'sources', 'mcp_servers', 'skills'] as const).flatMap((kind) =>
    file[kind] > 0 ? [`${kind}: ${file[kind]} left out; this server does not serve them`] : [],
  )
  return [...histories, ...secrets, ...tools, ...unserved]
}
