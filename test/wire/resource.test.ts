import { expect, test } from 'vitest'
import { AgentState, CreateAgent, ListAgentsQuery, UpdateAgent } from '../../src/wire/agent.ts'
import { Block, CreateBlock, UpdateBlock } from '../../src/wire/block.ts'
import { Group, GroupCreate, GroupUpdate } from '../../src/wire/group.ts'
import { newId } from '../../src/wire/id.ts'
import { EmbeddingModel, LLMConfig, Model, ModelSettings } from '../../src/wire/model.ts'
import { ListMessagesQuery } from '../../src/wire/page.ts'
import { ListRunsQuery, Run, Step, statusOf } from '../../src/wire/run.ts'
import { Tool, ToolRule } from '../../src/wire/tool.ts'
import { RunUsage } from '../../src/wire/usage.ts'
import { contract } from '../support/contract.ts'

const now = '2025-01-01T00:00:00.000Z'
const agent = newId('agent')

/** A value with every key of `schema`: those that `given` lacks are null. */
function filled<T>(schema: { shape: object; parse(value: unknown): T }, given: object): T {
  const nulls = Object.fromEntries(Object.keys(schema.shape).map((key) => [key, null]))
  return schema.parse({ ...nulls, ...given })
}

const group = filled(Group, {
  id: newId('group'),
  manager_type: 'round_robin',
  agent_ids: [agent],
  description: '',
  shared_block_ids: [],
})
const block = filled(Block, { id: newId('block'), value: '', limit: 100_000, is_template: false, read_only: false, tags: [] })
const tool = filled(Tool, { id: newId('tool'), tool_type: 'custom', tags: [], return_char_limit: 50_000 })
const llm = LLMConfig.parse({ model: 'chat', model_endpoint_type: 'openai', context_window: 128_000 })
const variable = {
  created_by_id: null,
  last_updated_by_id: null,
  created_at: now,
  updated_at: now,
  description: null,
  value_enc: null,
}

const samples: [name: string, value: object][] = [
  ['Group', group],
  ['BlockResponse', block],
  ['Tool', tool],
  ['Model', Model.parse({ ...llm, name: 'chat', provider_type: 'openai', max_context_window: 128_000 })],
  [
    'EmbeddingModel',
    EmbeddingModel.parse({
      embedding_endpoint_type: 'openai',
      embedding_model: 'e',
      embedding_dim: 8,
      name: 'e',
      display_name: 'e',
      provider_type: 'openai',
      provider_name: 'openai',
    }),
  ],
  [
    'Run',
    filled(Run, {
      id: newId('run'),
      status: 'running',
      created_at: now,
      agent_id: agent,
      metadata: { group_id: group.id },
      request_config: {
        use_assistant_message: true,
        assistant_message_tool_name: 'send_message',
        assistant_message_tool_kwarg: 'message',
        include_return_message_types: ['assistant_message'],
      },
    }),
  ],
  ['Step', filled(Step, { id: newId('step'), tags: [], messages: [], status: 'success', error_data: { message: 'x' } })],
  ['UsageStatistics', RunUsage.parse({ prompt_tokens_details: {}, completion_tokens_details: null })],
  [
    'AgentState',
    filled(AgentState, {
      created_at: now,
      id: agent,
      name: 'Ann',
      tool_rules: [{ type: 'exit_loop', tool_name: 'finish' }],
      system: '',
      agent_type: 'letta_v1_agent',
      llm_config: llm,
      model_settings: { provider_type: 'anthropic', max_output_tokens: 9, thinking: { type: 'enabled', budget_tokens: 1024 } },
      compaction_settings: {},
      memory: { agent_type: 'letta_v1_agent', git_enabled: false, blocks: [block], file_blocks: [], prompt_template: '' },
      blocks: [block],
      tools: [tool],
      sources: [],
      tags: ['a'],
      tool_exec_environment_variables: [],
      secrets: [{ ...variable, id: newId('agent-env'), key: 'K', value: 'v', agent_id: agent }],
      identity_ids: [],
      identities: [],
      message_buffer_autoclear: false,
      managed_group: group,
      timezone: 'UTC',
    }),
  ],
]

test.each(samples)('a %s is what the contract says, key by key', (name, value) => {
  const checks = contract()
  if (!checks) return
  expect(checks.validateSchema(name, value)).toEqual([])
  expect(Object.keys(value).toSorted()).toEqual(checks.keysOf(name).toSorted())
})

test('the contract is found by a concrete path, with or without a slash at its end', () => {
  const checks = contract()
  if (!checks) return
  expect(checks.validate('GET', `/v1/groups/${group.id}`, 200, group)).toEqual([])
  expect(checks.validate('GET', '/v1/groups/?limit=1', 200, [group])).toEqual([])
  expect(checks.validate('GET', '/v1/groups', 200, [group])).toEqual([])
  expect(checks.validate('GET', '/v1/groups/count', 200, 3)).toEqual([]) // not a group of the id `count`
  expect(checks.validate('GET', '/v1/groups', 200, [{ ...group, extra: 1 }])).not.toEqual([])
  expect(checks.validate('GET', '/v1/nothing', 200, {})).toBeUndefined()
  expect(checks.validate('GET', '/v1/groups', 404, {})).toBeUndefined()
})

const create = (manager_config?: unknown) => GroupCreate.safeParse({ agent_ids: [agent], description: '', manager_config })
const managerIssue = (manager_config: unknown) => create(manager_config).error?.issues[0]

test('a group is a round robin unless it says otherwise, and a manager has its defaults', () => {
  expect(create().data).toEqual({
    agent_ids: [agent],
    description: '',
    manager_config: { manager_type: 'round_robin', max_turns: null },
    shared_block_ids: [],
  })
  expect(create({ manager_type: 'dynamic', manager_agent_id: agent }).data?.manager_config).toEqual({
    manager_type: 'dynamic',
    manager_agent_id: agent,
    termination_token: 'DONE!',
    max_turns: null,
  })
  expect(create({ manager_type: 'swarm' }).success).toBe(true)
  expect(create({ manager_type: 'supervisor' }).success).toBe(false)
  expect(create({}).success).toBe(false)
})

test('numbers that make no sense, and settings of another manager, are refused', () => {
  const voice = { manager_type: 'voice_sleeptime', manager_agent_id: agent }
  expect(managerIssue({ manager_type: 'round_robin', max_turns: 0 })).toBeDefined()
  expect(managerIssue({ manager_type: 'sleeptime', manager_agent_id: agent, sleeptime_agent_frequency: 0 })).toBeDefined()
  expect(managerIssue({ ...voice, max_message_buffer_length: 9 })?.message).toContain('both')
  expect(managerIssue({ ...voice, max_message_buffer_length: 9, min_message_buffer_length: 4 })).toBeDefined()
  expect(managerIssue({ ...voice, max_message_buffer_length: 9, min_message_buffer_length: 9 })?.message).toContain('greater')
  expect(managerIssue({ ...voice, max_message_buffer_length: 9, min_message_buffer_length: 5 })).toBeUndefined()
  expect(managerIssue({ manager_type: 'round_robin', termination_token: 'DONE!' })).toMatchObject({
    path: ['manager_config', 'termination_token'],
    message: 'termination_token has no effect on a round_robin group',
  })
  expect(managerIssue({ manager_type: 'round_robin', termination_token: null, unheard: 'of' })).toBeUndefined()
})

test('in an update absent is unchanged and null is none, where there can be none', () => {
  expect(GroupUpdate.parse({})).toEqual({})
  expect(GroupUpdate.parse({ manager_config: { manager_type: 'dynamic', termination_token: '' } }).manager_config).toEqual({
    manager_type: 'dynamic',
    termination_token: '',
  })
  expect(
    GroupUpdate.parse({ project_id: null, agent_ids: [], manager_config: { manager_type: 'round_robin', max_turns: null } }),
  ).toEqual({
    project_id: null,
    agent_ids: [],
    manager_config: { manager_type: 'round_robin', max_turns: null },
  })
  expect(GroupUpdate.parse({ manager_config: { manager_type: 'supervisor', manager_agent_id: null } }).manager_config).toEqual({
    manager_type: 'supervisor',
  })
  const buffers = { manager_type: 'voice_sleeptime', max_message_buffer_length: 9 }
  expect(GroupUpdate.safeParse({ manager_config: buffers }).success).toBe(true)
  expect(GroupUpdate.safeParse({ manager_config: { ...buffers, min_message_buffer_length: null } }).success).toBe(false)
})

test('NUL characters never reach a block', () => {
  expect(CreateBlock.parse({ label: 'human', value: 'a\0b' })).toMatchObject({ value: 'ab', limit: 100_000 })
  expect(CreateBlock.parse({ label: 'human', value: null }).value).toBe('')
  expect(UpdateBlock.parse({ value: '\0' })).toEqual({ value: '' })
  expect(UpdateBlock.parse({ value: null, description: null })).toEqual({ description: null })
})

test('an agent needs nothing', () => {
  expect(CreateAgent.parse({})).toMatchObject({
    agent_type: 'letta_v1_agent',
    include_base_tools: true,
    tool_ids: [],
    tags: [],
  })
  expect(UpdateAgent.parse({ tags: [], description: null, name: null })).toEqual({ tags: [], description: null })
  expect(CreateAgent.safeParse({ tool_ids: ['tool-1'] }).success).toBe(false)
})

test('model settings keep what we do not know', () => {
  const settings = { provider_type: 'zai', thinking: { type: 'enabled', clear_thinking: false }, odd: 1 }
  expect(ModelSettings.parse(settings)).toEqual(settings)
})

test('a tool rule has no other keys', () => {
  expect(ToolRule.safeParse({ type: 'exit_loop', tool_name: 'a', odd: 1 }).success).toBe(false)
  expect(ToolRule.safeParse({ type: 'conditional', tool_name: 'a', child_output_mapping: {} }).success).toBe(false)
  expect(ToolRule.safeParse({ type: 'max_count_per_step', tool_name: 'a', max_count_limit: 2 }).success).toBe(true)
})

test('queries: numbers and repeated keys come as strings', () => {
  const list = ListMessagesQuery({ limit: 10, order: 'desc' })
  expect(list.parse({})).toMatchObject({ limit: 10, order: 'desc', include_return_message_types: null })
  expect(list.parse({ limit: '3', include_return_message_types: 'event' })).toMatchObject({
    limit: 3,
    include_return_message_types: ['event_message'],
  })
  const two = ['user_message', 'assistant_message']
  expect(list.parse({ include_return_message_types: two }).include_return_message_types).toEqual(two)
  for (const limit of ['0', '1001', 'x', '']) expect(list.safeParse({ limit }).success).toBe(false)
  expect(ListRunsQuery.parse({ statuses: 'running', ascending: 'true' })).toMatchObject({ statuses: ['running'], order: 'asc' })
  expect(ListRunsQuery.parse({})).toMatchObject({ limit: 100, order: 'desc', active: false })
  expect(ListAgentsQuery.parse({ include: ['agent.tools', 'agent.blocks'] }).include).toEqual(['agent.tools', 'agent.blocks'])
})

test('what a stop reason makes of a run', () => {
  for (const stop of ['end_turn', 'max_steps', 'tool_rule', 'requires_approval'] as const)
    expect(statusOf(stop)).toBe('completed')
  expect(statusOf('cancelled')).toBe('cancelled')
  expect(statusOf('max_tokens_exceeded')).toBe('failed')
})
