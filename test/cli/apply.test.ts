import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Group } from '../../src/wire/group.ts'
import { type, typed } from '../support/cli.ts'
import { startServer, tempFolder } from '../support/server.ts'

const weekend = `
group: weekend
description: Planning a weekend
manager:
  type: dynamic
  agent: host
  max_turns: 4
agents:
  - name: ana
    model: openai/gpt-4o-mini
    memory:
      - label: persona
        value: |
          You are Ana.
          You love the sea.
    tags: [optimist]
  - name: ben
    tools: [conversation_search, roll]
  - name: host
    system: You say who speaks.
shared_memory:
  - label: plan
    value: Nothing yet.
    description: What is decided
tools:
  - source_type: typescript
    source_code: "const roll = () => 4"
    json_schema: { name: roll, description: Rolls a die., parameters: { type: object, properties: {} } }
`

test('it is shown and asked about, made once, and made again it changes nothing', async () => {
  const { api, env } = await server()
  const file = yaml(weekend)
  const asked = type(['apply', file], env)
  await asked.until('Do it?')
  asked.type('n')
  const refused = await asked.exited
  expect(refused.code).toBe(1)
  expect(refused.stdout).toBe(`+ tool roll
    source_code: const roll = () => 4
+ agent ana
    model: openai/gpt-4o-mini
    memory persona
+ agent ben
+ agent host
+ group weekend
    manager: dynamic
    members: ana, ben
    memory plan: new
Do it? y or n: Nothing was changed.
`)
  expect(await api.get('/v1/groups/')).toEqual([])
  expect(await api.get('/v1/agents/')).toEqual([])

  expect(await typed(['apply', '--yes', file], env)).toMatchObject({ code: 0, stderr: '' })
  const [group] = await api.get<[Group]>('/v1/groups/')
  const agents = await api.get<AgentState[]>('/v1/agents/?order=asc')
  const [ana, ben, host] = agents
  expect(group).toMatchObject({
    description: 'Planning a weekend',
    manager_type: 'dynamic',
    max_turns: 4,
    termination_token: 'DONE!',
    manager_agent_id: host!.id,
    agent_ids: [ana!.id, ben!.id],
  })
  expect(ana!.tags).toEqual(['optimist'])
  expect(ben!.tools.map(({ name }) => name).toSorted()).toEqual(['conversation_search', 'roll'])
  for (const { blocks } of agents) expect(blocks.map(({ label }) => label)).toContain('plan')

  expect(await typed(['apply', file], env)).toMatchObject({ code: 0, stdout: 'Nothing changes.\n' })
})

test('what differs is shown line by line, and only that is changed', async () => {
  const { api, env } = await server()
  await typed(['apply', '--yes', yaml(weekend)], env)
  const before = await api.get<AgentState[]>('/v1/agents/?order=asc')
  const changed = yaml(
    weekend
      .replace('love the sea', 'love the hills')
      .replace('max_turns: 4', 'max_turns: 6')
      .replace('system: You say who speaks.', 'system: You say who is next.')
      .replace('[conversation_search, roll]', '[roll]')
      .replace('() => 4', '() => 5')
      .replace('agents:', 'members: [ben, ana]\nagents:'),
  )
  const { code, stdout } = await typed(['apply', '-y', changed], env)
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `~ tool roll
    source_code: const roll = () => 4 → const roll = () => 5
~ agent ana
    memory persona:
      - You love the sea.
      + You love the hills.
~ agent ben
    tools: conversation_search, roll → roll
~ agent host
    system: You say who speaks. → You say who is next.
~ group weekend
    manager: agent host, max_turns 4, termination_token DONE!, type dynamic → agent host, max_turns 6, termination_token DONE!, type dynamic
    members: ana, ben → ben, ana
Done.
`,
  })
  expect((await typed(['apply', changed], env)).stdout).toBe('Nothing changes.\n')
  expect((await api.get<AgentState[]>('/v1/agents/?order=asc')).map(({ id }) => id)).toEqual(before.map(({ id }) => id))

  const fewer = yaml(weekend.replace('  max_turns: 4\n', '').replace('agents:', 'members: [ben]\nagents:'))
  await typed(['apply', '-y', fewer], env)
  expect(await api.get('/v1/groups/')).toMatchObject([{ max_turns: null, agent_ids: [before[1]!.id] }])
  expect((await typed(['apply', fewer], env)).stdout).toBe('Nothing changes.\n')

  const other = await typed(['apply', '-y', yaml('group: weekend\nagents: [{ name: ben, system: Other }]\n')], env)
  expect(other).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('a group keeps its type') })
})

test('what the server refuses is said with where it happened; the file can be applied again', async () => {
  const { env } = await server()
  const twice = yaml(weekend.replace('agents:', 'members: [ana, ana]\nagents:'))
  const refused = await typed(['apply', '-y', twice], env)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(
    /^group weekend: POST \/v1\/groups\/: 400 .*What is above it was done\. Apply the file again.*\n$/,
  )
  expect((await typed(['apply', '-y', yaml(weekend)], env)).stdout).toMatch(/^\+ group weekend\n/)
})

test('what agents have written into their memory is shown, and kept when that is asked for', async () => {
  const { api, env } = await server()
  const file = yaml(weekend)
  await typed(['apply', '--yes', file], env)
  const [ana] = await api.get<AgentState[]>('/v1/agents/?name=ana')
  const persona = `/v1/agents/${ana!.id}/core-memory/blocks/persona`
  await api.patch(persona, { value: 'You are Ana.\nYou have seen the hills.\n' })
  expect((await typed(['apply', '--keep-memory', file], env)).stdout).toBe('Nothing changes.\n')
  expect((await typed(['apply', '-y', file], env)).stdout).toContain(
    '      - You have seen the hills.\n      + You love the sea.\n',
  )
  expect(await api.get(persona)).toMatchObject({ value: 'You are Ana.\nYou love the sea.\n' })
})

test('a group taken from one server is the same on another', async () => {
  const one = await server()
  await typed(['apply', '--yes', yaml(weekend)], one.env)
  const file = join(tempFolder(), 'weekend.yaml')
  expect(await typed(['export', '--group', 'planning', '-o', file], one.env)).toMatchObject({ code: 0, stderr: '' })
  expect((await typed(['apply', file], one.env)).stdout).toBe('Nothing changes.\n')
  expect(await typed(['export', '--group', 'planning', '-o', file], one.env)).toMatchObject({ code: 1 }) // not overwritten

  const other = await server()
  expect(await typed(['apply', '--yes', file], other.env)).toMatchObject({ code: 0, stderr: '' })
  expect((await typed(['apply', file], other.env)).stdout).toBe('Nothing changes.\n')
  expect((await typed(['export', '--group', 'planning'], other.env)).stdout).toBe(readFileSync(file, 'utf8'))
})

test('a group that was made otherwise gets a name when it is exported', async () => {
  const { api, env } = await server()
  await api.group(['ana', 'ben'], { description: 'Über alles: a talk!' })
  expect((await typed(['export', '--group', 'talk'], env)).stdout).toMatch(/^group: über-alles-a-talk\n/)
  expect((await typed(['export', '--group', 'talk', '--name', 'mine'], env)).stdout).toMatch(/^group: mine\n/)
})

test.each([
  ['group: a', 'agents'],
  ['group: a\nagents: [{ name: ana, modle: x }]', 'modle'],
  ['group: a\nagents: [{ name: ana }, { name: ana }]', 'ana is there twice'],
  ['group: a\nmembers: [bob]\nagents: [{ name: ana }]', 'bob is not among the agents'],
  ['group: [', 'at line 1'],
])('%j is refused, and nothing is changed', async (text, problem) => {
  const { api, env } = await server()
  const { code, stdout, stderr } = await typed(['apply', '-y', yaml(text)], env)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(problem)
  expect(await api.get('/v1/agents/')).toEqual([])
})

async function server() {
  const { api, url } = await startServer()
  return { api, env: { ROUNDTABLE_URL: url } }
}

function yaml(text: string): string {
  const file = join(tempFolder(), 'group.yaml')
  writeFileSync(file, text)
  return file
}
