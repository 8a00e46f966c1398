import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../support/server.ts'

/** Somebody inside who counts who comes, over IPv4 and IPv6. */
async function canary() {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.destroy()
  })
  server.listen(0, '::')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return {
    port,
    get connections() {
      return connections
    },
  }
}

/** One of each kind; test/net/guarded-fetch.test.ts has the others. */
const inside = [
  '127.0.0.1',
  'localhost',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '0.0.0.0',
  '169.254.169.254',
  '10.0.0.1',
  '2130706433',
  '0177.0.0.1',
  '0x7f.0.0.1',
  'ⓛocalhost',
  'me:secret@127.0.0.1',
]

test('F89 no address in a request makes the server connect to what is not public', async () => {
  const { api } = await startServer()
  const group = await api.group(['Ann', 'Bob'])
  const inner = await canary()
  for (const host of inside) {
    const url = `http://${host}:${inner.port}/cat.png`
    const content = [{ type: 'image', source: { type: 'url', url } }]
    const sent = await api.call<{ detail: string }>('POST', `/v1/groups/${group.id}/messages`, {
      messages: [{ role: 'user', content }],
    })
    expect.soft(sent.status, host).toBe(400)
    expect.soft(sent.body.detail, host).toMatch(/Failed to fetch image from .*(not a public one|credentials)/)
    expect.soft(sent.body.detail).not.toContain('secret')
  }
  expect(inner.connections).toBe(0)
})

test('F89 an address among the settings of an agent is shown and never called', async () => {
  const { api, llm } = await startServer()
  const inner = await canary()
  const url = `http://127.0.0.1:${inner.port}/v1`
  const { id } = await api.agent({
    llm_config: { model: 'gpt-4o-mini', model_endpoint_type: 'openai', model_endpoint: url, context_window: 8000 },
    embedding_config: {
      embedding_model: 'x',
      embedding_endpoint_type: 'openai',
      embedding_endpoint: url,
      embedding_dim: 8,
    },
  })
  await api.post(`/v1/agents/${id}/messages`, { input: 'Hi' })
  expect(llm.requests).toHaveLength(1)
  expect(inner.connections).toBe(0)
})

test('F89 MCP servers are the operator’s: no route takes the address of one', async () => {
  const { api } = await startServer()
  const inner = await canary()
  const server_url = `http://127.0.0.1:${inner.port}/mcp`
  for (const path of [
    '/v1/tools/mcp/servers',
    '/v1/tools/mcp/servers/test',
    '/v1/tools/mcp/servers/connect',
    '/v1/mcp-servers/',
  ]) {
    for (const method of ['PUT', 'POST']) {
      const { status } = await api.call(method, path, { server_name: 'x', type: 'sse', server_url })
      expect.soft([404, 405], `${method} ${path}`).toContain(status)
    }
  }
  expect(inner.connections).toBe(0)
})

test('F89 nobody is called back', async () => {
  const { api } = await startServer()
  const { id } = await api.agent()
  const inner = await canary()
  const callback_url = `http://127.0.0.1:${inner.port}/`
  const sent = await api.call('POST', `/v1/agents/${id}/messages/async`, { input: 'Hi', callback_url })
  expect(sent.status).toBe(422)
  expect(JSON.stringify(sent.body)).toContain('callback_url')
  expect(inner.connections).toBe(0)
})
