import { expect, test } from 'vitest'
import pkg from '../../package.json' with { type: 'json' }
import { newId } from '../../src/wire/id.ts'
import { startServer } from '../support/server.ts'

/** A call to an empty server; each answer is held against the contract on its way. */
async function startCrud() {
  const { api } = await startServer({ ROUNDTABLE_DEFAULT_MODEL: 'demo/chat' })
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  return (method: string, path: string, body?: unknown) => api.call<any>(method, `/v1${path}`, body)
}

test('an agent is made from nothing, shown, changed, counted and deleted', async () => {
  const call = await startCrud()
  const { status, body: agent } = await call('POST', '/agents/', {})
  expect(status).toBe(200)
  expect(agent).toMatchObject({
    agent_type: 'letta_v1_agent',
    model: 'demo/chat',
    name: expect.stringMatching(/^[A-Z][a-z]+[A-Z][a-z]+$/),
  })
  expect(agent.created_at).toMatch(/Z$/)
  expect(agent.tools.map(({ name }: { name: string }) => name)).toContain('memory_replace')
  expect((await call('GET', `/agents/${agent.id}?include=agent.blocks&include=agent.tools`)).body).toEqual(agent)
  expect((await call('GET', '/agents')).body).toEqual([agent])
  expect((await call('GET', '/agents/count')).body).toBe(1)
  expect((await call('PATCH', `/agents/${agent.id}`, { description: 'd', model: 'demo/other' })).body).toMatchObject({
    description: 'd',
    model: 'demo/other',
    llm_config: { handle: 'demo/other', model: 'other' },
  })
  expect((await call('DELETE', `/agents/${agent.id}`)).body).toEqual({ message: `Agent id=${agent.id} successfully deleted` })
  expect((await call('GET', `/agents/${agent.id}`)).status).toBe(404)
})

test('an agent with everything in it still fits the contract', async () => {
  const call = await startCrud()
  const { body: block } = await call('POST', '/blocks/', { label: 'shared', value: 'x\0y', metadata: { a: 1 }, tags: ['t'] })
  const { status, body: agent } = await call('POST', '/agents/', {
    name: 'Ada',
    agent_type: 'memgpt_agent',
    memory_blocks: [{ label: 'human', value: '' }],
    block_ids: [block.id],
    tags: ['a'],
    model_settings: { provider_type: 'openai', temperature: 0.2, max_output_tokens: 100 },
    tool_rules: [{ type: 'run_first', tool_name: 'memory' }],
    response_format: { type: 'json_object' },
    compaction_settings: { mode: 'all' },
    secrets: { KEY: 'hush' },
    metadata: { any: ['thing'] },
    enable_sleeptime: false,
    unknown_key: 1,
  })
  expect(status).toBe(200)
  expect(block.value).toBe('xy')
  expect(agent.llm_config).toMatchObject({ temperature: 0.2, max_tokens: 100 })
  expect(agent.tool_rules).toMatchObject([{ type: 'run_first' }, { type: 'exit_loop', tool_name: 'send_message' }])
  await call('POST', '/groups/', {
    agent_ids: [],
    description: '',
    manager_config: { manager_type: 'supervisor', manager_agent_id: agent.id },
  })
  expect((await call('GET', `/agents/${agent.id}`)).body.managed_group.manager_type).toBe('supervisor')
})

test('a model is found by its handle or by its old config; one that nobody serves is 404', async () => {
  const call = await startCrud()
  const llm_config = { model: 'chat', model_endpoint_type: 'demo', context_window: 4096 }
  expect((await call('POST', '/agents', { llm_config })).body.llm_config).toMatchObject({
    handle: 'demo/chat',
    context_window: 4096,
  })
  expect((await call('POST', '/agents', { context_window_limit: 2000 })).body.llm_config.context_window).toBe(2000)
  expect((await call('POST', '/agents', { model: 'nobody/x' })).status).toBe(404)
  expect((await call('POST', '/agents', { model: 'chat' })).status).toBe(400)
})

test('blocks of an agent are reached by label, even one with a slash', async () => {
  const call = await startCrud()
  const { body: agent } = await call('POST', '/agents', {
    memory_blocks: ['a', 'notes/today'].map((label) => ({ label, value: label })),
  })
  const at = `/agents/${agent.id}/core-memory/blocks`
  expect((await call('GET', at)).body.map(({ label }: { label: string }) => label)).toEqual(['notes/today', 'a'])
  expect((await call('GET', `${at}/a`)).body).toEqual(agent.blocks[0])
  expect((await call('PATCH', `${at}/notes/today`, { value: '' })).body).toMatchObject({ label: 'notes/today', value: '' })
  expect((await call('GET', `${at}/none`)).status).toBe(404)
  const { body: block } = await call('POST', '/blocks', { label: 'b', value: '' })
  expect((await call('PATCH', `${at}/attach/${block.id}`)).body.blocks).toHaveLength(3)
  expect((await call('PATCH', `${at}/detach/${block.id}`)).body.blocks).toHaveLength(2)
  expect((await call('PATCH', `${at}/detach/${block.id}`)).status).toBe(404)
})

test('blocks are made, changed, listed, counted and deleted', async () => {
  const call = await startCrud()
  const { body: block } = await call('POST', '/blocks/', { label: 'persona', value: null })
  expect(block).toMatchObject({ value: '', limit: 100_000, description: expect.any(String) })
  expect((await call('PATCH', `/blocks/${block.id}`, { description: null, value: 'v' })).body).toMatchObject({
    description: null,
    value: 'v',
  })
  expect((await call('GET', '/blocks/?label=persona&limit=1&tags=x')).body).toEqual([])
  expect((await call('GET', '/blocks/count?label=persona')).body).toBe(1)
  expect((await call('DELETE', `/blocks/${block.id}`)).body).toBeNull()
  expect((await call('GET', `/blocks/${block.id}`)).status).toBe(404)
})

test('a group is made, shown, changed, listed, counted and deleted', async () => {
  const call = await startCrud()
  const [{ body: a }, { body: b }, { body: block }] = await Promise.all([
    call('POST', '/agents', {}),
    call('POST', '/agents', {}),
    call('POST', '/blocks', { label: 'plan', value: '' }),
  ])
  const { status, body: group } = await call('POST', '/groups/', { agent_ids: [a.id, b.id, a.id], description: 'talk' })
  expect(status).toBe(200)
  expect(group).toMatchObject({ manager_type: 'round_robin', agent_ids: [a.id, b.id, a.id], manager_agent_id: null })
  expect((await call('GET', `/groups/${group.id}`)).body).toEqual(group)
  expect((await call('GET', `/agents/${a.id}/groups`)).body).toEqual([group])
  expect((await call('PATCH', `/groups/${group.id}/blocks/attach/${block.id}`)).body).toBeNull()
  expect((await call('GET', `/groups/${group.id}`)).body.shared_block_ids).toEqual([block.id])
  expect((await call('PATCH', `/groups/${group.id}/blocks/detach/${block.id}`)).body).toBeNull()
  const change = { description: '', agent_ids: [], manager_config: { manager_type: 'round_robin', max_turns: 7 } }
  expect((await call('PATCH', `/groups/${group.id}`, change)).body).toMatchObject({
    description: '',
    agent_ids: [],
    max_turns: 7,
  })
  expect((await call('GET', '/groups/?manager_type=dynamic')).body).toEqual([])
  expect((await call('GET', '/groups/count')).body).toBe(1)
  expect((await call('DELETE', `/groups/${group.id}`)).body).toEqual({ message: `Group id=${group.id} successfully deleted` })
  expect((await call('DELETE', `/groups/${group.id}`)).status).toBe(404)
})

test('what cannot be done as asked is refused with its own status', async () => {
  const call = await startCrud()
  const { body: agent } = await call('POST', '/agents', {})
  const supervised = {
    agent_ids: [],
    description: '',
    manager_config: { manager_type: 'supervisor', manager_agent_id: agent.id },
  }
  const { body: group } = await call('POST', '/groups', supervised)
  const second = await call('POST', '/groups', supervised)
  expect(second.status).toBe(409)
  expect(second.headers.get('x-should-retry')).toBe('false')
  expect((await call('DELETE', `/agents/${agent.id}`)).status).toBe(409)
  const idle = { ...supervised, manager_config: { ...supervised.manager_config, max_turns: 3 } }
  const { status, body } = await call('POST', '/groups', idle)
  expect(status).toBe(422)
  expect(body.detail[0].loc).toEqual(['body', 'manager_config', 'max_turns'])
  const other = await call('PATCH', `/groups/${group.id}`, { manager_config: { manager_type: 'round_robin' } })
  expect(other).toMatchObject({ status: 400, body: { detail: 'Cannot change group pattern after creation' } })
  expect((await call('POST', '/groups', { description: '', agent_ids: [newId('agent')] })).status).toBe(404)
  expect((await call('GET', '/groups/nope')).status).toBe(422)
  expect((await call('GET', '/groups?after=nope')).status).toBe(404)
  expect((await call('GET', '/agents?limit=0')).status).toBe(422)
})

test('models, health and readiness answer', async () => {
  const call = await startCrud()
  const { body: models } = await call('GET', '/models/')
  const demo = models.filter(({ provider_name }: { provider_name: string }) => provider_name === 'demo')
  expect(demo).toMatchObject([{ handle: 'demo/chat', model_type: 'llm' }])
  expect((await call('GET', '/models?provider_name=demo')).body).toEqual(demo)
  expect((await call('GET', '/models?provider_name=nobody')).body).toEqual([])
  expect((await call('GET', '/models/embedding')).body).toEqual([])
  expect((await call('GET', '/models/embeddings')).body).toEqual([])
  expect((await call('GET', '/health/')).body).toEqual({ version: pkg.version, status: 'ok' })
  expect((await call('GET', '/ready')).body).toEqual({ status: 'ok' })
})
