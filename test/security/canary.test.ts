import { expect, onTestFinished, test } from 'vitest'
import { newKey } from '../../src/auth/keyring.ts'
import { apiAt } from '../support/api.ts'
import { startProcess } from '../support/process.ts'
import { openReader } from '../support/reader.ts'
import { type Reply, scriptedProvider } from '../support/scripted-provider.ts'
import type { NewKey, Ticket } from '../../src/wire/key.ts'
import { twoTenants } from './locked.ts'
import { allRoutes, belongings, bodyFor, call, filled, isUnsafe, type Route } from './routes.ts'

/** None of them looks like a key of some maker: what hides them must know them, not their form. */
const canaries = {
  openai: 'canary-openai-7f3a9c51',
  anthropic: 'canary-anthropic-2b8e64d0',
  mcp: 'canary-mcp-5d1c7e92',
  password: 'canary-password-94b1f6',
  agent: 'canary-agent-secret-c07d3e',
  query: 'canary-query-18e5a2',
  header: 'canary-header-6a90bf',
  wrongKey: 'canary-wrong-key-d3f871',
}

/** What providers answer that quote the key they were given. */
const quoting = (key: string): Reply[] => {
  const words = `Incorrect API key provided: ${key}. You sent "Authorization: Bearer ${key}" (x-api-key: ${key}).`
  const error = { error: { message: words, type: 'invalid_request_error', code: key, param: key } }
  const event = `data: ${JSON.stringify(error)}\n\n`
  return [
    ...[400, 401, 403, 404, 429, 500].map((status) => ({
      status,
      body: error,
      headers: { 'retry-after': '0', 'x-quoted': key },
    })),
    { status: 502, body: `<html>${words}</html>`, headers: { 'content-type': 'text/html' } },
    { raw: [event] },
    { raw: [event.slice(0, -12)], cut: true },
    { raw: [words], contentType: 'text/plain' },
  ]
}

/** An MCP server with one tool; a call of it is answered with the token that came with it. */
function quotingMcp({ id, method }: { id?: number; method: string }): Reply {
  const result = (value: object): Reply => ({ status: 200, body: { jsonrpc: '2.0', id, result: value } })
  if (method === 'initialize') {
    return result({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'files', version: '1' } })
  }
  if (method === 'tools/list') return result({ tools: [{ name: 'read_it', inputSchema: { type: 'object', properties: {} } }] })
  if (method === 'tools/call') return { status: 401, body: { error: `Bad token ${canaries.mcp}, as Bearer ${canaries.mcp}` } }
  if (id === undefined) return { status: 202, body: '' }
  return { status: 200, body: { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } } }
}

test('F83 no secret is in any answer, frame, metric or line of the log', { timeout: 180_000 }, async () => {
  const { file, ana } = await twoTenants()
  const [llm, mcp] = [await scriptedProvider(), await scriptedProvider()]
  onTestFinished(async () => void (await Promise.all([llm.close(), mcp.close()])))
  mcp.script(quotingMcp)
  const server = await startProcess({
    DATABASE_URL: `file:${file}`,
    LETTA_SERVER_SECURE: 'true',
    LETTA_SERVER_PASSWORD: canaries.password,
    OPENAI_API_KEY: canaries.openai,
    OPENAI_BASE_URL: llm.url,
    ANTHROPIC_API_KEY: canaries.anthropic,
    ANTHROPIC_BASE_URL: llm.url,
    ROUNDTABLE_MCP_SERVERS: JSON.stringify({ files: { url: mcp.url, headers: { authorization: `Bearer ${canaries.mcp}` } } }),
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ROUNDTABLE_WRONG_KEYS_PER_MINUTE: '100000',
    ROUNDTABLE_REQUESTS_PER_MINUTE: '100000',
    ROUNDTABLE_LOG_LEVEL: 'trace',
  })
  const { url } = server
  const outputs: string[] = []
  const as = (key: string) => apiAt(url, { authorization: `Bearer ${key}` })
  const api = as(ana.keys.admin)
  const heard = async (answer: Promise<{ text: string; headers: Headers }>) => {
    const { text, headers } = await answer
    outputs.push(text, JSON.stringify([...headers]))
    return text
  }
  const post = (path: string, body: unknown) =>
    heard(call(url, { method: 'POST', path, body: undefined }, path, ana.keys.admin, JSON.stringify(body)))

  /** A feed has no end: what it shows at first. */
  const watch = async (path: string, key: string) => {
    const feed = await openReader(url + path, { headers: { authorization: `Bearer ${key}` } })
    await feed.until((seen) => seen.length > 0)
    outputs.push(feed.seen.map(({ text }) => text).join(''), JSON.stringify(feed.headers))
    feed.close()
  }

  // Agents that hold secrets, and whose providers quote the keys.
  const secrets = { tool_exec_environment_variables: { TOKEN: canaries.agent }, secrets: { OTHER: `${canaries.agent}-2` } }
  const told: string[] = []
  for (const [model, key] of [
    ['openai/gpt-4o-mini', canaries.openai],
    ['anthropic/claude-sonnet-4-5', canaries.anthropic],
  ] as const) {
    const agent = await api.agent({ model, ...secrets })
    told.push(agent.id)
    outputs.push(JSON.stringify(agent))
    for (const [index, reply] of quoting(key).entries()) {
      llm.script(() => reply)
      const path = `/v1/agents/${agent.id}/messages${index % 2 ? '/stream' : ''}`
      expect(await post(path, { input: 'hi', stream_tokens: true })).toMatch(/detail|error/)
    }
  }
  expect(llm.requests.some(({ headers }) => headers.authorization === `Bearer ${canaries.openai}`)).toBe(true)
  expect(llm.requests.some(({ headers }) => headers['x-api-key'] === canaries.anthropic)).toBe(true)
  expect(mcp.requests.some(({ headers }) => headers.authorization === `Bearer ${canaries.mcp}`)).toBe(true)
  // An agent with a tool of the MCP server, and with a tool that does not run here.
  const tools = await api.get<{ id: string; name: string }[]>('/v1/tools/?limit=100')
  const reader = await api.agent({ ...secrets, tool_ids: [tools.find(({ name }) => name.includes('read_it'))!.id] })
  llm.script(({ messages }) =>
    messages.at(-1).role === 'tool' ? { text: 'Hm.' } : { toolCalls: [{ name: reader.tools[0]!.name!, arguments: '{}' }] },
  )
  expect(await post(`/v1/agents/${reader.id}/messages`, { input: 'Read it' })).toContain('HTTP 401')
  told.push(reader.id)
  llm.script(() => ({ text: 'Hm.' }))

  // Every route with secrets all around it: right, wrong and refused.
  const ids = await belongings(api)
  const { ticket } = await api.post<Ticket>(`/v1/runs/${ids['run_id']}/tickets`)
  const removed = await api.post<NewKey>('/v1/keys/', { name: 'removed' })
  await api.call('DELETE', `/v1/keys/${removed.id}`)
  const headers = {
    'content-type': 'application/json',
    cookie: `session=${canaries.header}`,
    'x-api-key': canaries.header,
    user_id: canaries.header,
    'idempotency-key': canaries.header,
  }
  const routes = allRoutes().toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))
  for (const route of routes) {
    const path = filled(route.path, ids)
    const body = bodyFor(route, ids)
    for (const key of [ana.keys.read, canaries.wrongKey, removed.key, canaries.password]) {
      if (isFeed(route) && (key === ana.keys.read || key === canaries.password)) await watch(path, key)
      else await heard(call(url, route, path, key, body))
    }
    for (const authorization of [`Basic ${btoa(canaries.header)}`, `Bearer ${canaries.wrongKey}, Bearer ${ana.keys.write}`]) {
      const answer = await fetch(`${url}${path}?token=${canaries.query}&api_key=${ana.keys.write}&ticket=${ticket}`, {
        method: route.method,
        headers: { ...headers, authorization },
        ...(isUnsafe(route) && { body }),
      })
      outputs.push(await answer.text(), JSON.stringify([...answer.headers]))
    }
  }
  // Failed runs as they are shown afterwards.
  for (const id of told) {
    for (const path of ['messages', 'tools']) await heard(call(url, get, `/v1/agents/${id}/${path}`, ana.keys.admin, ''))
  }
  for (const { id } of await api.get<{ id: string }[]>('/v1/runs/?limit=100')) {
    for (const path of ['', '/steps', '/messages', '/stream'])
      await heard(call(url, get, `/v1/runs/${id}${path}`, ana.keys.admin, ''))
  }
  outputs.push(await heard(call(url, get, '/metrics', ana.keys.admin, '')))
  expect(outputs.length).toBeGreaterThan(1000)

  const { stdout, stderr } = await server.kill('SIGTERM')
  expect(stdout.split('\n').length).toBeGreaterThan(500)
  const everything = [...outputs, stdout, stderr]
  const { hash } = newKey()
  expect(hash).toHaveLength(64)
  const forbidden = [
    ...Object.values(canaries),
    ...Object.values(ana.keys),
    removed.key,
    ticket,
    ...Object.values(canaries).map((text) => btoa(text)),
  ]
  for (const secret of forbidden) {
    const found = everything
      .filter((text) => text.includes(secret))
      .map((text) => text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 100))
    expect.soft([secret, found.slice(0, 3)]).toEqual([secret, []])
  }
})

const isFeed = ({ path }: Route) => path.endsWith('/groups/:group_id/stream')

const get = { method: 'GET', path: '', body: undefined }
