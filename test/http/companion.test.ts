import { expect, test } from 'vitest'
import type { AgentState } from '../../src/wire/agent.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { startServer } from '../support/server.ts'

test('an agent that asks for it gets a companion that shares its memory and works after it has answered', async () => {
  const { api, llm } = await startServer()
  const main = await api.agent({ name: 'ana', enable_sleeptime: true, memory_blocks: [{ label: 'human', value: 'Eva' }] })
  const group = main.managed_group!
  expect(group).toMatchObject({ manager_type: 'sleeptime', manager_agent_id: main.id, sleeptime_agent_frequency: 5 })
  const companion = await api.get<AgentState>(`/v1/agents/${group.agent_ids[0]}`)
  expect(companion).toMatchObject({ name: 'ana-sleeptime', agent_type: 'sleeptime_agent' })
  expect(companion.blocks.map(({ label }) => label).toSorted()).toEqual(['human', 'memory_persona'])
  expect(companion.blocks.map(({ id }) => id)).toContain(main.blocks[0]!.id)
  const answer = await api.post<LettaResponse>(`/v1/agents/${main.id}/messages`, { input: 'hello' })
  expect(answer.usage.run_ids?.length).toBe(2)
  await llm.received(2)
})

test('an agent and its companion are deleted together', async () => {
  const { api } = await startServer()
  const main = await api.agent({ name: 'ana', enable_sleeptime: true })
  expect((await api.call('DELETE', `/v1/agents/${main.id}`)).status).toBe(200)
  expect(await api.get('/v1/agents/')).toEqual([])
  expect(await api.get('/v1/groups/')).toEqual([])
})

test('a companion that is deleted takes the group with it, and its agent goes on alone', async () => {
  const { api } = await startServer()
  const main = await api.agent({ name: 'ana', enable_sleeptime: true })
  await api.call('DELETE', `/v1/agents/${main.managed_group!.agent_ids[0]}`)
  expect(await api.get<AgentState>(`/v1/agents/${main.id}`)).toMatchObject({ enable_sleeptime: null, managed_group: null })
})
