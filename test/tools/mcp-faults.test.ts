import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { McpServerSettings } from '../../src/config/mcp.ts'
import { ToolError } from '../../src/tools/tool.ts'
import { scripted, start } from './mcp-servers.ts'

type Answering = (response: ServerResponse, id: number, answer: (result: object) => string) => void

/** A server over HTTP with one tool, `go`, whose calls are answered as `calls` says. */
async function httpServer(calls: Answering): Promise<McpServerSettings> {
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== 'POST') return void response.writeHead(405).end()
    let text = ''
    for await (const part of request.setEncoding('utf8')) text += part
    const { id, method, params } = JSON.parse(text)
    const answer = (result: object) => JSON.stringify({ jsonrpc: '2.0', id, result })
    if (id === undefined) return void response.writeHead(202).end()
    if (method === 'tools/call') return calls(response, id, answer)
    const result =
      method === 'initialize'
        ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } }
        : { tools: [{ name: 'go', inputSchema: { type: 'object' } }] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer(result))
  }
  const server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { kind: 'http', name: 'far', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, headers: {} }
}

const sse = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' })
const said = { content: [{ type: 'text', text: 'here' }] }

const cuts: [string, Answering][] = [
  ['ends before its answer', (response) => void sse(response).end(': nothing\n\n')],
  ['ends within its answer', (response, _id, answer) => void sse(response).end(`data: ${answer(said).slice(0, 40)}`)],
  [
    'breaks within its answer',
    (response, _id, answer) => void sse(response).write(`data: ${answer(said).slice(0, 40)}`, () => response.destroy()),
  ],
  ['is no JSON', (response) => void sse(response).end('data: {"jsonrpc"\n\n')],
  ['is JSON and no message', (response) => void sse(response).end('data: {"jsonrpc":"2.0","result":5}\n\n')],
  ['answers somebody else', (response) => void sse(response).end('data: {"jsonrpc":"2.0","id":987654,"result":{}}\n\n')],
  ['is a page', (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
  ['is an error page', (response) => void response.writeHead(500, { 'content-type': 'text/html' }).end('<html>')],
  ['has no body', (response) => void response.writeHead(204).end()],
]

test.each(cuts)('F92 a stream that %s is an error of the call, and the next call is a new one', async (_, answering) => {
  let calls = 0
  const settings = await httpServer((response, id, answer) => {
    calls++
    if (calls === 1) answering(response, id, answer)
    else response.writeHead(200, { 'content-type': 'application/json' }).end(answer(said))
  })
  const { call } = await start([settings], { listed: 1, callMs: 1000 })
  await expect(call('go')).rejects.toThrow(ToolError)
  await expect(call('go')).resolves.toBe('here')
})

test('F92 answers that are no results are errors, one by one', async () => {
  const script = `const tools = [tool('odd')]
    const results = [5, 'x', null, [], {}, { content: 'x' }, { content: [null] }, { content: [{ type: 'text' }] }, { content: [{ type: 'text', text: 7 }] }]
    const call = (id, name, { n }) => answer(id, results[n])`
  const { call } = await start([scripted('odd', script)], { listed: 1, callMs: 1000 })
  for (let n = 0; n < 9; n++) {
    const outcome = await call('odd', { n }).catch((error: unknown) => error)
    expect(typeof outcome === 'string' || outcome instanceof ToolError, `${n}: ${String(outcome)}`).toBe(true)
  }
})

test('F92 a list of 10 MB is not kept, and its server is of use for the rest', async () => {
  const script = `const log = console.log
    console.log = (text) => log(text.replace('"deep"', '{"a":'.repeat(1000) + '{}' + '}'.repeat(1000)))
    const tools = [
      tool('fat', { description: 'z'.repeat(10e6) }),
      tool('nested', { inputSchema: { type: 'object', properties: { a: 'deep' } } }),
      tool('slim'),
    ]
    const call = (id) => text(id, 'ok')`
  const { call, tool, said: logged } = await start([scripted('big', script)], { listed: 1 })
  expect([await tool('fat'), await tool('nested')]).toEqual([undefined, undefined])
  expect(logged.join()).toContain('tool nested is left out: the schema is nested too deeply')
  expect(logged.join()).toContain('tool fat is left out: the schema is too large')
  expect(await call('slim')).toBe('ok')
})

test('F92 a tool that its server has no more is an error result', async () => {
  const script = `const tools = [tool('now'), tool('gone')]
    const call = (id, name) => name === 'now' ? text(id, 'ok')
      : console.log(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: 'Unknown tool: gone' } }))`
  const { call } = await start([scripted('moody', script)], { listed: 2 })
  await expect(call('gone')).rejects.toThrow(/moody failed: .*Unknown tool: gone/)
  expect(await call('now')).toBe('ok')
})

test('F92 a server that changes what its tools are while it runs is told so by an error, and is asked as before', async () => {
  const script = `let tools = [tool('shape', { inputSchema: { type: 'object', properties: { a: { type: 'string' } } } })]
    const call = (id, name, args) => {
      tools = [tool('shape', { inputSchema: { type: 'object', properties: { b: { type: 'integer' } }, required: ['b'] } })]
      console.log('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
      text(id, JSON.stringify(args))
    }`
  const { call, tool } = await start([scripted('shifty', script)], { listed: 1 })
  expect(await call('shape', { a: 'x' })).toBe('{"a":"x"}')
  expect(await call('shape', { a: 'y' })).toBe('{"a":"y"}')
  expect((await tool('shape')).json_schema).toMatchObject({ parameters: { properties: { a: { type: 'string' } } } })
})

test('F92 an answer of 100 MB is given up, over HTTP too', async () => {
  const part = 'x'.repeat(1 << 20)
  const settings = await httpServer((response) => {
    sse(response).write('data: ')
    const more = () => response.write(part, (error) => error || more())
    more()
  })
  const { call } = await start([settings], { listed: 1 })
  await expect(call('go')).rejects.toThrow(/16777216 bytes|broke/)
})
