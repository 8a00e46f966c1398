import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Group } from '../../src/wire/group.ts'
import type { Tool } from '../../src/wire/tool.ts'
import { typed } from '../support/cli.ts'
import { type Api, apiAt } from '../support/api.ts'
import { startServer, tempFolder } from '../support/server.ts'

const roll = {
  source_type: 'typescript',
  source_code: 'const roll = () => 4',
  json_schema: { name: 'roll', description: 'Rolls a die.', parameters: { type: 'object', properties: {} } },
}

/** As Letta 0.16 writes it: nulls for what nobody has said, and much that only means something there. */
const fromLetta = () => ({
  agents: [
    {
      name: 'helper',
      memory_blocks: [],
      tools: [],
      tool_ids: ['tool-0', 'tool-1', 'tool-2', 'tool-3'],
      source_ids: ['source-0'],
      folder_ids: null,
      block_ids: ['block-1', 'block-0'],
      tool_rules: [
        { tool_name: 'send_message', type: 'exit_loop', prompt_template: null, later_versions: 'may say more' },
        { tool_name: 'run_code', type: 'required_before_exit', prompt_template: null },
      ],
      tags: ['support'],
      system: 'You help.',
      agent_type: 'memgpt_v2_agent',
      initial_message_sequence: null,
      include_base_tools: false,
      include_base_tool_rules: false,
      description: 'Helps',
      metadata: null,
      llm_config: {
        model: 'gpt-4o-mini',
        display_name: null,
        model_endpoint_type: 'openai',
        model_endpoint: 'https://api.openai.com/v1',
        provider_name: 'openai',
        provider_category: 'base',
        context_window: 32_000,
        put_inner_thoughts_in_kwargs: true,
        handle: 'openai/gpt-4o-mini',
        temperature: 0.7,
        max_tokens: 4096,
        frequency_penalty: 1,
        verbosity: 'medium',
      },
      embedding_config: {
        embedding_endpoint_type: 'openai',
        embedding_endpoint: 'https://api.openai.com/v1',
        embedding_model: 'text-embedding-3-small',
        embedding_dim: 1536,
        handle: 'openai/text-embedding-3-small',
      },
      model: null,
      embedding: null,
      model_settings: null,
      context_window_limit: null,
      enable_reasoner: false,
      tool_exec_environment_variables: { API_KEY: '' },
      secrets: null,
      message_buffer_autoclear: false,
      enable_sleeptime: false,
      response_format: null,
      timezone: 'Europe/Berlin',
      max_files_open: 5,
      hidden: null,
      id: 'agent-0',
      in_context_message_ids: ['message-0'],
      messages: [
        { type: 'message', role: 'system', content: [{ type: 'text', text: 'You help.' }], id: 'message-0' },
        { type: 'message', role: 'user', content: [{ type: 'text', text: 'Hello' }], id: 'message-1' },
      ],
      files_agents: [],
      group_ids: [] as string[],
    },
  ],
  groups: [] as Record<string, unknown>[],
  blocks: [
    { value: 'Nobody yet.', limit: 20_000, is_template: false, label: 'human', description: null, metadata: {}, id: 'block-0' },
    { value: 'I help.', limit: 5000, is_template: false, label: 'persona', read_only: true, metadata: {}, id: 'block-1' },
  ],
  files: [{ id: 'file-0' }],
  sources: [{ id: 'source-0' }, { id: 'source-1' }],
  tools: [
    { id: 'tool-0', tool_type: 'letta_core', name: 'send_message', source_code: null, json_schema: null },
    {
      id: 'tool-1',
      tool_type: 'custom',
      name: 'cancel_order',
      description: 'Cancels.',
      tags: [],
      source_type: 'python',
      source_code: 'def cancel_order(number: int):\n    """Cancels an order."""\n    return "no"',
      json_schema: {
        name: 'cancel_order',
        description: 'Cancels.',
        parameters: { type: 'object', properties: { number: { type: 'integer' } } },
      },
      return_char_limit: 6000,
      created_by_id: 'user-00000000-0000-4000-8000-000000000000',
      metadata_: {},
    },
    { id: 'tool-2', tool_type: 'letta_builtin', name: 'run_code', source_code: null },
    { id: 'tool-3', tool_type: 'external_mcp', name: 'search_web', source_code: 'def search_web(): pass' },
  ],
  mcp_servers: [{ id: 'mcp_server-0', server_type: 'stdio', stdio_config: { command: 'sh', args: ['-c', 'true'] } }],
  skills: [],
  metadata: { revision_id: 'd5103ee17ed5' },
  created_at: '2026-02-01T00:00:00+00:00',
})

test('an agent that is exported and imported again is the same one', async () => {
  const one = await server()
  await one.api.post('/v1/tools/', roll)
  const plan = await one.api.post<{ id: string }>('/v1/blocks/', { label: 'plan', value: 'Nothing yet.' })
  const ben = await one.api.agent({ name: 'ben', tools: ['roll'], tags: ['pessimist'] })
  const ana = await one.api.agent({
    name: 'Ana Q.',
    agent_type: 'memgpt_v2_agent',
    system: 'You are Ana.',
    description: 'Who loves the sea',
    metadata: { shoe: { size: 39 } },
    tags: ['optimist'],
    tools: ['send_message', 'roll', 'conversation_search'],
    tool_rules: [{ type: 'exit_loop', tool_name: 'send_message' }],
    memory_blocks: [{ label: 'persona', value: 'The sea!\n', limit: 500, description: 'Who I am', read_only: true }],
    model_settings: { provider_type: 'openai', temperature: 0.3, max_output_tokens: 900 },
    context_window_limit: 9000,
    timezone: 'Europe/Lisbon',
    response_format: { type: 'json_object' },
  })
  await one.api.post('/v1/groups/', {
    agent_ids: [ben.id],
    description: 'Looks after Ana',
    manager_config: { manager_type: 'supervisor', manager_agent_id: ana.id },
    shared_block_ids: [plan.id],
  })
  const file = join(tempFolder(), 'ana.af')
  expect(await typed(['export', '--agent', 'Ana Q.', file], one.env)).toMatchObject({ code: 0, stdout: '', stderr: '' })
  expect(await typed(['export', '--agent', ana.id, file], one.env)).toMatchObject({ code: 1 }) // not overwritten

  const other = await server()
  expect(await typed(['import', file], other.env)).toMatchObject({ code: 0, stderr: '' })
  const again = await typed(['export', '--agent', 'Ana Q.'], other.env)
  expect(content(again.stdout)).toEqual(content(readFileSync(file, 'utf8')))
  const [there] = await other.api.get<AgentState[]>('/v1/agents/?name=Ana%20Q.')
  expect(same(there!)).toEqual(same(await one.api.get<AgentState>(`/v1/agents/${ana.id}`)))
  expect(there!.blocks.map(({ label }) => label)).toEqual(['persona', 'plan'])
  const [group] = await other.api.get<[Group]>('/v1/groups/')
  const members = await Promise.all(group.agent_ids.map((id) => other.api.get<AgentState>(`/v1/agents/${id}`)))
  expect(members.map(({ name, blocks }) => [name, blocks[0]!.id])).toEqual([['ben', there!.blocks[1]!.id]])

  // What is there already is another agent; the tool with the same source is the same tool.
  expect(await typed(['import', file], other.env)).toMatchObject({ code: 0, stderr: '' })
  expect(await counts(other.api)).toEqual({ agents: 4, groups: 2, blocks: 4, tools: 1 })
  expect(await typed(['export', '--agent', 'Ana Q.'], other.env)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^Which agent\?\nagent-\S+ {2}Who loves the sea\nagent-/),
  })
})

test('a file as Letta 0.16 writes it becomes an agent; what is not served is said, line by line', async () => {
  const { api, env } = await server()
  const { code, stdout, stderr } = await typed(['import', af(fromLetta())], env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [helper] = await api.get<[AgentState]>('/v1/agents/')
  expect(stdout).toBe(`tool cancel_order: its source is stored, and runs where ROUNDTABLE_CUSTOM_TOOLS is on
agent helper  ${helper.id}
agent helper: its messages are not imported (1)
agent helper: the file has no values for its secrets API_KEY
tool run_code: left out; this server has none
tool search_web: left out; it is of an MCP server: attach it from yours
files: 1 left out; this server does not serve them
sources: 2 left out; this server does not serve them
mcp_servers: 1 left out; this server does not serve them
`)
  expect(helper).toMatchObject({
    name: 'helper',
    agent_type: 'memgpt_v2_agent',
    system: 'You help.',
    model: 'openai/gpt-4o-mini',
    llm_config: { context_window: 32_000, temperature: 0.7, max_tokens: 4096 },
    tags: ['support'],
    timezone: 'Europe/Berlin',
    tool_rules: [{ tool_name: 'send_message', type: 'exit_loop' }],
  })
  expect(helper.blocks.map(({ label, value, read_only }) => ({ label, value, read_only }))).toEqual([
    { label: 'persona', value: 'I help.', read_only: true },
    { label: 'human', value: 'Nobody yet.', read_only: false },
  ])
  expect(helper.tools.map(({ name, tool_type }) => [name, tool_type])).toEqual([
    ['send_message', 'letta_core'],
    ['cancel_order', 'custom'],
  ])
  const ran = await api.post(`/v1/agents/${helper.id}/tools/cancel_order/run`, { args: { number: 1 } })
  expect(ran).toMatchObject({ status: 'error', stderr: [expect.stringContaining('Custom tools are off')] })
})

test('an agent of a model that nobody serves here gets the one that is asked for', async () => {
  const { api, env } = await server()
  const file = fromLetta()
  Object.assign(file.agents[0]!.llm_config, { handle: 'zai/glm-5', model: 'glm-5', model_endpoint_type: 'zai' })
  const refused = await typed(['import', af(file)], env)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toMatch(/^agent helper: POST \/v1\/agents\/: \d+ .*zai\/glm-5.*\. Nothing was made\n$/)
  expect(await counts(api)).toEqual({ agents: 0, groups: 0, blocks: 0, tools: 0 })
  expect(await typed(['import', '--model', 'openai/gpt-4o', af(file)], env)).toMatchObject({ code: 0, stderr: '' })
  expect(await api.get('/v1/agents/')).toMatchObject([{ model: 'openai/gpt-4o' }])
})

type Letta = ReturnType<typeof fromLetta>
const managed = (id: string, manager: string, ...agent_ids: string[]) => ({
  id,
  agent_ids,
  description: '',
  manager_config: { manager_type: 'supervisor', manager_agent_id: manager },
})
const twin = (file: Letta, id: string) => ({ ...file.agents[0]!, id, name: id })

test.each<[what: string, says: string, text: (file: Letta) => unknown]>([
  ['no JSON', 'it is not JSON', () => '{"agents": ['],
  ['a zip', 'it is not JSON', () => 'PK\u0003\u0004'],
  ['something else', 'agents: ', () => ({ name: 'old' })],
  ['10 MB of nesting', 'nested more than 100 deep', () => '['.repeat(5_000_000) + ']'.repeat(5_000_000)],
  [
    'nesting in what is kept',
    'nested more than 100 deep',
    (file) => JSON.stringify(file).replace('"metadata":null', `"metadata":${'{"a":'.repeat(90_000)}1${'}'.repeat(90_000)}`),
  ],
  [
    '10 000 agents',
    'agents: Too big',
    (file) => ({ ...file, agents: Array.from({ length: 10_000 }, (_, index) => twin(file, `agent-${index}`)) }),
  ],
  ['a wrong type', 'agents[0].name: ', (file) => ({ ...file, agents: [{ ...file.agents[0], name: 7 }] })],
  ['a wrong type deep inside', 'tools[1].json_schema: ', (file) => (Object.assign(file.tools[1]!, { json_schema: 'x' }), file)],
  ['a list that is none', 'blocks: ', (file) => ({ ...file, blocks: { length: 3 } })],
  ['everything wrong', '… and 4992 more', (file) => ({ ...file, blocks: [], tools: wrongs, agents: wrongs })],
  [
    'a block that is not in it',
    'agents[0].block_ids[1]: block-0 is not in this file',
    (file) => ({ ...file, blocks: [file.blocks[1]] }),
  ],
  ['an id twice', 'agents[1].id: agent-0 is there twice', (file) => ({ ...file, agents: [file.agents[0], file.agents[0]] })],
  ['a group that is not in it', 'agents[0].group_ids[0]: group-7', (file) => (file.agents[0]!.group_ids.push('group-7'), file)],
  [
    'a manager that is not in it',
    'manager_agent_id: agent-9',
    (file) => ({ ...file, groups: [managed('group-0', 'agent-9', 'agent-0')] }),
  ],
  [
    'agents that manage each other',
    'groups: agent-0 manages agent-1 manages agent-0: that goes in a circle',
    (file) => ({
      ...file,
      agents: [file.agents[0], twin(file, 'agent-1')],
      groups: [managed('group-0', 'agent-0', 'agent-1'), managed('group-1', 'agent-1', 'agent-0')],
    }),
  ],
  [
    'a group without what its manager needs',
    'groups[0].manager_config.manager_agent_id',
    (file) => ({ ...file, groups: [{ ...managed('group-0', '', 'agent-0'), manager_config: { manager_type: 'supervisor' } }] }),
  ],
])('F79 a file that is %s is refused, and nothing is made', async (_what, says, text) => {
  const { api, env } = await server()
  const { code, stdout, stderr } = await typed(['import', af(text(fromLetta()))], env)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(says)
  expect(stderr.length).toBeLessThan(2000)
  expect(await counts(api)).toEqual({ agents: 0, groups: 0, blocks: 0, tools: 0 })
})

/** 1 000 agents, each wrong in four ways. */
const wrongs = Array.from({ length: 1000 }, () => ({ id: 1, name: '', tags: 7, block_ids: 'x' }))

test('F79 what only the server can refuse takes back all that was made before', async () => {
  const { api, env } = await server()
  const file = fromLetta()
  const groups = [managed('group-0', 'agent-0', 'agent-1'), { ...managed('group-1', 'agent-1', 'agent-2', 'agent-2') }]
  const text = af({ ...file, agents: [file.agents[0], twin(file, 'agent-1'), twin(file, 'agent-2')], groups })
  const { code, stdout, stderr } = await typed(['import', text], env)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^group : POST \/v1\/groups\/: 400 .*Duplicate.*\. Nothing was made\n$/)
  expect(await counts(api)).toEqual({ agents: 0, groups: 0, blocks: 0, tools: 0 })
})

test('F79 an id of the server reaches nothing, whosever it is, and a tool is not replaced by another of its name', async () => {
  const { url, api } = await startServer()
  const env = { ROUNDTABLE_URL: url }
  const secret = await api.post<{ id: string }>('/v1/blocks/', { label: 'secret', value: 'The moon.' })
  const before = await api.post<Tool>('/v1/tools/', { ...roll, source_code: 'const roll = () => 6' })
  const file = fromLetta()
  file.agents[0]!.block_ids.push(secret.id)
  expect((await typed(['import', af(file)], env)).stderr).toContain(`block_ids[2]: ${secret.id} is not in this file`)
  file.agents[0]!.block_ids.pop()
  const hostile = { ...file, tools: [...file.tools, { ...roll, id: 'tool-9', tool_type: 'custom' }] }
  expect(await typed(['import', af(hostile)], env)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: 'The server has another tool roll: rename one of them. Nothing was made\n',
  })
  expect(await api.get(`/v1/tools/${before.id}`)).toEqual(before)
  expect(await counts(api)).toEqual({ agents: 0, groups: 0, blocks: 1, tools: 1 })
})

test('F79 a name cannot steer the terminal', async () => {
  const { env } = await server()
  const file = fromLetta()
  file.agents[0]!.name = 'an\u001B[2Ja\nagent root'
  const { code, stdout } = await typed(['import', af(file)], env)
  expect(code).toBe(0)
  expect(stdout).toContain('\nagent ana agent root  agent-')
  expect(stdout).not.toContain('\u001B')
})

async function server() {
  const { url } = await startServer()
  return { api: apiAt(url), env: { ROUNDTABLE_URL: url } }
}

function af(file: unknown): string {
  const path = join(tempFolder(), 'agent.af')
  writeFileSync(path, typeof file === 'string' ? file : JSON.stringify(file))
  return path
}

const content = (text: string) => ({ ...JSON.parse(text), created_at: null })

/** Of an agent all but which one it is, when it was made, and where its model is. */
function same({ blocks, tools, llm_config, ...agent }: AgentState) {
  const named = <T extends { id: string }>(rows: T[]) => rows.map((row) => ({ ...row, id: '' }))
  const own = {
    id: '',
    message_ids: [],
    created_at: '',
    updated_at: '',
    memory: null,
    managed_group: null,
    multi_agent_group: null,
  }
  return { ...agent, ...own, blocks: named(blocks), tools: named(tools), llm_config: { ...llm_config, model_endpoint: null } }
}

async function counts(api: Api) {
  const [agents, groups, blocks, tools] = await Promise.all(
    ['agents', 'groups', 'blocks', 'tools'].map((kind) =>
      api.get<number>(`/v1/${kind}/count${kind === 'tools' ? '?tool_types=custom' : ''}`),
    ),
  )
  return { agents, groups, blocks, tools }
}
