import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import type { Tool } from '../../src/wire/tool.ts'
import type { Api } from '../support/api.ts'
import { startProcess } from '../support/process.ts'
import { startServer, tempFolder } from '../support/server.ts'

/** A call to an empty server; each answer is held against the contract on its way. */
async function startTools(settings: Record<string, string> = {}) {
  const { api } = await startServer({ ROUNDTABLE_DEFAULT_MODEL: 'demo/chat', ...settings })
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  const call = (method: string, path: string, body?: unknown) => api.call<any>(method, `/v1${path}`, body)
  return { api, call }
}

const dice = {
  source_type: 'typescript',
  source_code: 'function roll({ sides }: { sides: number }) { console.log("rolling"); return { sides, rolled: sides } }',
  json_schema: {
    name: 'roll',
    description: 'Rolls a die.',
    parameters: { type: 'object', properties: { sides: { type: 'integer' } }, required: ['sides'] },
  },
}

const greet = `
import json

def greet(name: str, times: int = 1, tags: "list[str] | None" = None, tone: Literal["warm", "cold"] = "warm") -> str:
    """
    Greets somebody.

    Args:
        name (str): Who: anybody
            at all.
        times: How often.

    Returns:
        str: the greeting
    """
    return " ".join(["Hello " + name] * times)
`

test('a tool is made, shown, listed, changed, counted and deleted', async () => {
  const { call } = await startTools()
  const { status, body: tool } = await call('POST', '/tools/', { ...dice, tags: ['fun'] })
  expect(status).toBe(200)
  expect(tool).toMatchObject({
    name: 'roll',
    description: 'Rolls a die.',
    tool_type: 'custom',
    tags: ['fun'],
    return_char_limit: 50_000,
  })
  expect((await call('GET', `/tools/${tool.id}`)).body).toEqual(tool)
  expect((await call('GET', '/tools?name=roll')).body).toEqual([tool])
  const changed = await call('PATCH', `/tools/${tool.id}`, {
    description: null,
    return_char_limit: 10,
    default_requires_approval: true,
  })
  expect(changed.body).toEqual({ ...tool, description: null, return_char_limit: 10, default_requires_approval: true })
  expect((await call('GET', '/tools/count?tool_types=custom')).body).toBe(1)
  expect((await call('DELETE', `/tools/${tool.id}`)).body).toBeNull()
  expect((await call('GET', `/tools/${tool.id}`)).status).toBe(404)
  expect((await call('DELETE', `/tools/${newId('tool')}`)).status).toBe(404)
})

test('POST and PUT replace a custom tool of the same name, never one that comes with the server', async () => {
  const { call } = await startTools()
  const { body: first } = await call('POST', '/tools/', dice)
  const { body: second } = await call('PUT', '/tools/', { ...dice, description: 'Another die.' })
  expect(second).toEqual({ ...first, description: 'Another die.' })
  const taken = { ...dice, json_schema: { ...dice.json_schema, name: 'memory_insert' } }
  expect((await call('POST', '/tools/', taken)).status).toBe(409)
  expect((await call('PATCH', `/tools/${first.id}`, { json_schema: taken.json_schema })).status).toBe(409)
})

test('what a tool may not be is refused', async () => {
  const { call } = await startTools()
  const { source_code, source_type } = dice
  for (const body of [
    { ...dice, unknown_key: 1 },
    { source_code, source_type },
    { ...dice, source_type: 'cobol' },
    { ...dice, json_schema: { ...dice.json_schema, name: 'no good' } },
    { ...dice, return_char_limit: 0 },
    { source_code: 'x = 1' },
    { source_code: 'def f(a):\n  return a' },
    { source_code: 'def f(*args):\n  return 1' },
    { source_code: 'def f(a: Thing):\n  return 1' },
    { source_code: 'def f(a: str' },
  ]) {
    expect(await call('POST', '/tools/', body)).toMatchObject({ status: 422 })
  }
})

test('the schema of a Python tool is read from its source, and again when the source changes', async () => {
  const { call } = await startTools()
  const { body: tool } = await call('POST', '/tools/', { source_code: greet })
  expect(tool).toMatchObject({ name: 'greet', description: 'Greets somebody.', source_type: 'python' })
  expect(tool.json_schema.parameters).toEqual({
    type: 'object',
    properties: {
      name: { type: 'string', description: 'Who: anybody at all.' },
      times: { type: 'integer', description: 'How often.' },
      tags: { type: 'array', items: { type: 'string' } },
      tone: { type: 'string', enum: ['warm', 'cold'] },
    },
    required: ['name'],
  })
  const source_code = 'def one(x: float, y: dict, z: bool = (1, ")")[0]): # a comment (\n    return x'
  const { body: next } = await call('PATCH', `/tools/${tool.id}`, { source_code })
  expect(next).toMatchObject({ id: tool.id, name: 'one', json_schema: { name: 'one', parameters: { required: ['x', 'y'] } } })
})

test('lists are filtered and come in pages', async () => {
  const { call } = await startTools()
  const ids: string[] = []
  for (const name of ['one', 'two', 'three']) {
    ids.push((await call('POST', '/tools/', { ...dice, json_schema: { ...dice.json_schema, name } })).body.id)
  }
  const names = async (query: string) => (await call('GET', `/tools/?${query}`)).body.map(({ name }: { name: string }) => name)
  expect(await names('tool_types=custom')).toEqual(['three', 'two', 'one'])
  expect(await names('tool_types=custom&order=asc&limit=2')).toEqual(['one', 'two'])
  expect(await names(`tool_types=custom&order=asc&after=${ids[1]}`)).toEqual(['three'])
  expect(await names('names=one&names=two')).toEqual(['two', 'one'])
  expect(await names('names=one,two')).toEqual(['two', 'one'])
  expect(await names(`tool_ids=${ids[0]}`)).toEqual(['one'])
  expect(await names('search=HRE')).toEqual(['three'])
  const ofLetta = await names('return_only_letta_tools=true')
  expect(ofLetta).toContain('send_message')
  expect(ofLetta).not.toContain('one')
  expect(await names('exclude_tool_types=custom')).toEqual(ofLetta)
  expect((await call('GET', '/tools/?tool_types=nonsense')).status).toBe(422)
})

test('base tools come back, and a PATCH reaches only what is a user’s to say of them', async () => {
  const { call } = await startTools()
  const [tool] = (await call('GET', '/tools/?name=send_message')).body
  expect((await call('PATCH', `/tools/${tool.id}`, { source_code: 'x' })).status).toBe(400)
  expect((await call('PATCH', `/tools/${tool.id}`, { return_char_limit: 7 })).body).toMatchObject({ return_char_limit: 7 })
  const { body: base } = await call('POST', '/tools/add-base-tools')
  expect(base).toContainEqual({ ...tool, return_char_limit: 7 })
  await call('DELETE', `/tools/${tool.id}`)
  await call('POST', '/tools/add-base-tools')
  expect((await call('GET', '/tools/?name=send_message')).body).toHaveLength(1)
})

test('an agent gets a tool, has it wait for approval, and loses it', async () => {
  const { api, call } = await startTools()
  const agent = await api.agent()
  const { body: tool } = await call('POST', '/tools/', { ...dice, default_requires_approval: true })
  const attached = await call('PATCH', `/agents/${agent.id}/tools/attach/${tool.id}`)
  expect(attached.body).toMatchObject({ tools: [tool], tool_rules: [{ type: 'requires_approval', tool_name: 'roll' }] })
  expect((await call('PATCH', `/agents/${agent.id}/tools/attach/${tool.id}`)).body.tools).toHaveLength(1)
  expect((await call('GET', `/agents/${agent.id}/tools`)).body).toEqual([tool])

  const approval = `/agents/${agent.id}/tools/approval/roll`
  expect((await call('PATCH', approval, { requires_approval: false })).body.tool_rules).toEqual([])
  expect((await call('PATCH', `${approval}?requires_approval=true`)).body.tool_rules).toHaveLength(1)
  expect((await call('PATCH', approval, { requires_approval: true })).body.tool_rules).toHaveLength(1)
  expect((await call('PATCH', approval)).status).toBe(422)
  expect((await call('PATCH', approval, { requires_approval: true, more: 1 })).status).toBe(422)
  expect((await call('PATCH', `/agents/${agent.id}/tools/approval/other`, { requires_approval: true })).status).toBe(404)

  expect((await call('PATCH', `/agents/${agent.id}/tools/detach/${tool.id}`)).body.tools).toEqual([])
  expect((await call('PATCH', `/agents/${agent.id}/tools/detach/${newId('tool')}`)).status).toBe(404)
  expect((await call('PATCH', `/agents/${newId('agent')}/tools/attach/${tool.id}`)).status).toBe(404)
})

test('a tool is run by hand: for an agent, with its secrets, and as mere source', async () => {
  const { api, call } = await startTools({ ROUNDTABLE_CUSTOM_TOOLS: 'true' })
  const { body: tool } = await call('POST', '/tools/', dice)
  const secret = { ...dice, source_code: 'const key = ({ sides }) => process.env.KEY + sides', source_type: 'javascript' }
  const { body: other } = await call('POST', '/tools/', { ...secret, json_schema: { ...dice.json_schema, name: 'key' } })
  const agent = await api.agent({ tool_ids: [tool.id, other.id], secrets: { KEY: 'k' } })
  const run = (name: string, args: object) => call('POST', `/agents/${agent.id}/tools/${name}/run`, { args })
  expect((await run('roll', { sides: 6 })).body).toEqual({
    status: 'success',
    func_return: '{"sides":6,"rolled":6}',
    agent_state: null,
    stdout: ['rolling'],
    stderr: [],
    sandbox_config_fingerprint: null,
  })
  expect((await run('key', { sides: 1 })).body).toMatchObject({ func_return: 'k1' })
  expect((await run('nothing', {})).status).toBe(404)

  const source = { source_code: dice.source_code, source_type: 'typescript', args: { sides: 2 } }
  expect((await call('POST', '/tools/run', { ...source, name: 'roll' })).body).toMatchObject({
    id: 'null',
    tool_call_id: 'null',
    message_type: 'tool_return_message',
    name: 'roll',
    status: 'success',
    tool_return: '{"sides":2,"rolled":2}',
    stdout: ['rolling'],
  })
  expect((await call('POST', '/tools/run', source)).status).toBe(422)
  const failing = await call('POST', '/tools/run', { ...source, source_code: 'throw new Error("no")', name: 'roll' })
  expect(failing.body).toMatchObject({ status: 'error', is_err: true, tool_return: 'The source defines no function roll' })
})

test('custom tools are stored but not run until the operator turns them on', async () => {
  const { api, call } = await startTools()
  const { body: tool } = await call('POST', '/tools/', dice)
  const agent = await api.agent({ tool_ids: [tool.id] })
  const { body } = await call('POST', `/agents/${agent.id}/tools/roll/run`, { args: { sides: 6 } })
  expect(body).toMatchObject({
    status: 'error',
    func_return: null,
    stderr: [expect.stringContaining('ROUNDTABLE_CUSTOM_TOOLS')],
  })
})

const everything = new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url).pathname
const mcpServers = {
  ROUNDTABLE_MCP_SERVERS: JSON.stringify({ every: { command: process.execPath, args: [everything, 'stdio'] } }),
}

/** The tool of that name, as soon as its server has told of it. */
async function toolNamed(api: Api, name: string): Promise<Tool> {
  const first = async () => (await api.get<Tool[]>(`/v1/tools/?name=${name}`))[0]!
  return await vi.waitUntil(first, { timeout: 30_000 })
}

test('an agent is given a tool of an MCP server by its id', async () => {
  const { api, call } = await startTools(mcpServers)
  const tool = await toolNamed(api, 'get-sum')
  const agent = await api.agent({ tool_ids: [tool.id] })
  const { body } = await call('POST', `/agents/${agent.id}/tools/get-sum/run`, { args: { a: 1, b: 2 } })
  expect(body).toMatchObject({ status: 'success', func_return: 'The sum of 1 and 2 is 3.' })
  expect((await call('PATCH', `/tools/${tool.id}`, { metadata_: {} })).status).toBe(400)
})

test('in a group, a member uses the tool of an MCP server, and the others hear what it made of it', async () => {
  const { api, llm } = await startServer(mcpServers)
  const tool = await toolNamed(api, 'get-sum')
  const members = [await api.agent({ name: 'ana', tool_ids: [tool.id] }), await api.agent({ name: 'ben' })]
  const group = await api.post<{ id: string }>('/v1/groups/', { agent_ids: members.map(({ id }) => id), description: 'sums' })
  llm.script([
    { toolCalls: [{ name: 'get-sum', arguments: '{"a": 19, "b": 23}' }] },
    { text: 'It is 42.' },
    { text: 'Well done, ana.' },
  ])
  const { messages, usage } = await api.post<LettaResponse>(`/v1/groups/${group.id}/messages`, { input: '19 and 23?' })
  expect(messages).toMatchObject([
    { message_type: 'tool_call_message', name: 'ana' },
    { message_type: 'tool_return_message', name: 'get-sum', status: 'success', tool_return: 'The sum of 19 and 23 is 42.' },
    { message_type: 'assistant_message', name: 'ana' },
    { message_type: 'assistant_message', name: 'ben' },
  ])
  expect(usage.step_count).toBe(3)
  expect(JSON.stringify(llm.requests[2]!.body.messages)).toContain('ana: It is 42.')
})

test('the published form runs custom tools, and those of MCP servers', async () => {
  const database = { DATABASE_URL: `file:${join(tempFolder(), 'test.db')}` }
  const { api } = await startProcess({ ROUNDTABLE_CUSTOM_TOOLS: 'true', ...mcpServers, ...database })
  const { source_code, source_type } = dice
  const body = { source_code, source_type, name: 'roll', args: { sides: 3 } }
  expect(await api.post('/v1/tools/run', body)).toMatchObject({ status: 'success', tool_return: '{"sides":3,"rolled":3}' })
  const agent = await api.agent({ tool_ids: [(await toolNamed(api, 'echo')).id] })
  const echoed = await api.post(`/v1/agents/${agent.id}/tools/echo/run`, { args: { message: 'hi' } })
  expect(echoed).toMatchObject({ func_return: 'Echo: hi' })
})
