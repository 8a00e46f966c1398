import { isDeepStrictEqual } from 'node:util'
import type { AgentState } from '../wire/agent.ts'
import type { Group } from '../wire/group.ts'
import type { Tool } from '../wire/tool.ts'
import type { Client } from './client.ts'
import { agentOf, blockOf, type Current, loadGroup, managerOf } from './current.ts'
import { difference } from './difference.ts'
import { type AgentInFile, type BlockInFile, type GroupFile, membersOf } from './group-file.ts'

/** One thing to do, and how it is shown before it is done. */
export interface Change {
  mark: '+' | '~'
  what: string
  lines: string[]
  make(): Promise<void>
}

export interface PlanOptions {
  /** Leave what agents have written into blocks that are there. */
  keepMemory: boolean
}

/**
 * What must be done so that the server has what the file says; nothing when it has. What is on the server and not in the file is
 * left alone: agents that the file no longer names leave the group and stay.
 */
export async function plan(client: Client, file: GroupFile, options: PlanOptions): Promise<Change[]> {
  const project = file.group
  const [group] = await client.all<Group>(`/v1/groups/?project_id=${encodeURIComponent(project)}`)
  const current = group && (await loadGroup(client, group))
  const known = await client.all<AgentState>(`/v1/agents/?project_id=${encodeURIComponent(project)}`)
  // Agents of a group that was made otherwise go by their names, too.
  const agents = new Map([...known, ...(current?.agents ?? [])].map((agent) => [agent.name, agent]))
  const ids = new Map([...agents].map(([name, { id }]) => [name, id]))
  const shared = new Set(current?.shared.map(({ id }) => id))
  const tools = await planTools(client, file)
  const members = file.agents.map((wanted) => {
    const there = agents.get(wanted.name)
    return there ? changeAgent(client, there, wanted, shared, options) : newAgent(client, project, wanted, ids)
  })
  return [...tools, ...members.flatMap((change) => change ?? []), ...planGroup(client, file, current, ids, options)]
}

/** Their names are those in their schemas, or in their sources: the server finds them. */
async function planTools(client: Client, { tools }: GroupFile): Promise<Change[]> {
  const there = await client.all<Tool>('/v1/tools/')
  return tools.flatMap((tool): Change[] => {
    const same = there.find(
      ({ source_code, ...rest }) => source_code === tool.source_code && rest.source_type === tool.source_type,
    )
    const settings = ['description', 'return_char_limit', 'default_requires_approval'] as const
    if (same && settings.every((key) => tool[key] === undefined || tool[key] === same[key])) return []
    const name = tool.json_schema?.name ?? same?.name ?? 'tool'
    const before = there.find((one) => one.name === name)
    return [
      {
        mark: before ? '~' : '+',
        what: `tool ${name}`,
        lines: difference('source_code', before?.source_code ?? '', tool.source_code),
        make: async () => void (await client.send('PUT', '/v1/tools/', tool)),
      },
    ]
  })
}

function newAgent(client: Client, project: string, wanted: AgentInFile, ids: Map<string, string>): Change {
  const { name, type, memory, tools, ...settings } = wanted
  return {
    mark: '+',
    what: `agent ${name}`,
    lines: [...(wanted.model ? [`model: ${wanted.model}`] : []), ...memory.map(({ label }) => `memory ${label}`)],
    async make() {
      const create = { ...settings, name, agent_type: type, memory_blocks: memory, project_id: project }
      const { id } = await client.send<AgentState>('POST', '/v1/agents/', {
        ...create,
        tools,
        include_base_tools: !tools,
        // Rules that the file names are all there are.
        ...(wanted.tool_rules && { include_base_tool_rules: false }),
      })
      ids.set(name, id)
    },
  }
}

function changeAgent(
  client: Client,
  there: AgentState,
  wanted: AgentInFile,
  shared: ReadonlySet<string>,
  { keepMemory }: PlanOptions,
): Change | undefined {
  const has = agentOf(there, shared)
  const { name, type, memory, tools, ...settings } = wanted
  if (type !== undefined && type !== has.type)
    throw new Error(`The agent ${name} is a ${has.type}; an agent cannot change its type`)
  const changed = Object.entries(settings).filter(
    ([key, value]) => !isDeepStrictEqual(value, has[key as keyof typeof settings]),
  )
  const lines = changed.flatMap(([key, value]) => difference(key, has[key as keyof typeof settings], value))
  const otherTools = tools && !isDeepStrictEqual(tools.toSorted(), has.tools!.toSorted())
  if (otherTools) lines.push(...difference('tools', has.tools!.join(', '), tools.join(', ')))
  const blocks = changeBlocks(client, there.blocks, memory, keepMemory, async (id) => {
    await client.send('PATCH', `/v1/agents/${there.id}/core-memory/blocks/attach/${id}`)
  })
  lines.push(...blocks.lines)
  if (lines.length === 0) return undefined
  return {
    mark: '~',
    what: `agent ${name}`,
    lines,
    async make() {
      const tool_ids = otherTools ? await idsOfTools(client, tools) : undefined
      const update = { ...Object.fromEntries(changed), ...(tool_ids && { tool_ids }) }
      if (Object.keys(update).length > 0) await client.send('PATCH', `/v1/agents/${there.id}`, update)
      await blocks.make()
    },
  }
}

/** @throws {Error} for a name that no tool has */
async function idsOfTools(client: Client, names: string[]): Promise<string[]> {
  const there = new Map((await client.all<Tool>('/v1/tools/')).map(({ name, id }) => [name, id]))
  return names.map((name) => {
    const id = there.get(name)
    if (id === undefined) throw new Error(`There is no tool ${name}`)
    return id
  })
}

/** Blocks are found by their labels; those that the file does not name stay. */
function changeBlocks(
  client: Client,
  there: Current['shared'],
  wanted: BlockInFile[],
  keepMemory: boolean,
  attach: (id: string) => Promise<void>,
): Omit<Change, 'mark' | 'what'> {
  const lines: string[] = []
  const work: (() => Promise<void>)[] = []
  for (const block of wanted) {
    const before = there.find(({ label }) => label === block.label)
    if (!before) {
      lines.push(`memory ${block.label}: new`)
      work.push(async () => attach((await client.send<{ id: string }>('POST', '/v1/blocks/', block)).id))
      continue
    }
    const has = blockOf(before)
    const fields = Object.entries(block).filter(
      ([key, value]) => !(keepMemory && key === 'value') && (has[key as keyof BlockInFile] ?? false) !== value,
    )
    if (fields.length === 0) continue
    for (const [key, value] of fields) {
      const name = key === 'value' ? `memory ${block.label}` : `memory ${block.label}.${key}`
      lines.push(...difference(name, has[key as keyof BlockInFile], value))
    }
    work.push(async () => void (await client.send('PATCH', `/v1/blocks/${before.id}`, Object.fromEntries(fields))))
  }
  return {
    lines,
    async make() {
      for (const one of work) await one()
    },
  }
}

function planGroup(
  client: Client,
  file: GroupFile,
  current: Current | undefined,
  ids: Map<string, string>,
  { keepMemory }: PlanOptions,
): Change[] {
  const { group: project, description, manager, shared_memory: memory } = file
  const members = membersOf(file)
  const body = () => {
    const { type: manager_type, agent, ...settings } = { ...unset, ...defaultsOf(manager), ...manager }
    const manager_config = { manager_type, ...settings, ...(agent !== undefined && { manager_agent_id: ids.get(agent)! }) }
    return { description, manager_config, agent_ids: members.map((name) => ids.get(name)!) }
  }
  const share = async (groupId: string, id: string) => {
    await client.send('PATCH', `/v1/groups/${groupId}/blocks/attach/${id}`)
  }
  if (!current) {
    let groupId = ''
    const blocks = changeBlocks(client, [], memory, keepMemory, (id) => share(groupId, id))
    const lines = [`manager: ${manager.type}`, `members: ${members.join(', ')}`, ...blocks.lines]
    const make = async () => {
      groupId = (await client.send<Group>('POST', '/v1/groups/', { ...body(), project_id: project })).id
      await blocks.make()
    }
    return [{ mark: '+', what: `group ${project}`, lines, make }]
  }
  const { group, agents, shared } = current
  if (group.manager_type !== manager.type) {
    throw new Error(`The group ${project} is ${group.manager_type}, and a group keeps its type: give the file another name`)
  }
  const nameOf = (id: string) => agents.find((agent) => agent.id === id)!.name
  const blocks = changeBlocks(client, shared, memory, keepMemory, (id) => share(group.id, id))
  const lines = [
    ...difference('description', group.description, description),
    ...difference('manager', describe(managerOf(group, nameOf)), describe({ ...defaultsOf(manager), ...manager })),
    ...difference('members', group.agent_ids.map(nameOf).join(', '), members.join(', ')),
    ...blocks.lines,
  ]
  if (lines.length === 0) return []
  const make = async () => {
    await client.send('PATCH', `/v1/groups/${group.id}`, body())
    await blocks.make()
  }
  return [{ mark: '~', what: `group ${project}`, lines, make }]
}

/** What the file leaves out is not set. */
const unset = {
  max_turns: null,
  termination_token: null,
  sleeptime_agent_frequency: null,
  max_message_buffer_length: null,
  min_message_buffer_length: null,
}

/** What the server adds by itself. */
const defaultsOf = ({ type }: GroupFile['manager']) => (type === 'dynamic' ? { termination_token: 'DONE!' } : {})

const describe = (manager: GroupFile['manager']) =>
  Object.entries(manager)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')
