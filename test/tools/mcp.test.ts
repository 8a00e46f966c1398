import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { McpServerSettings } from '../../src/config/mcp.ts'
import { readConfig } from '../../src/config.ts'
import { McpTools } from '../../src/tools/mcp.ts'
import { ToolError, type ToolCallContext } from '../../src/tools/tool.ts'
import { ListToolsQuery, type Tool } from '../../src/wire/tool.ts'
import { tempFolder } from '../support/server.ts'
import { scripted, start, stdio } from './mcp-servers.ts'

const everything = new URL('../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url).pathname

/** The reference server over HTTP, at a port that nobody has. */
async function httpServer(port?: number): Promise<{ port: number; child: ChildProcess; settings: McpServerSettings }> {
  const at = port ?? (await freePort())
  const child = spawn(process.execPath, [everything, 'streamableHttp'], {
    env: { PORT: `${at}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const text of child.stderr.setEncoding('utf8')) if (String(text).includes('listening')) break
  return { port: at, child, settings: { kind: 'http', name: 'far', url: `http://127.0.0.1:${at}/mcp`, headers: {} } }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('the tools of a server are stored and called', async () => {
  const { call, tool } = await start([stdio('every', [everything, 'stdio'], { ONLY: 'this' })], { listed: 10 })
  expect(await tool('echo')).toMatchObject({
    tool_type: 'external_mcp',
    tags: ['mcp:every'],
    json_schema: { name: 'echo', parameters: { type: 'object', required: ['message'] } },
    return_char_limit: 50_000,
  })
  expect(await call('echo', { message: 'hi' })).toBe('Echo: hi')
  expect(await call('get-tiny-image')).toMatch(/\n\[image image\/png\]\n/)
  expect(await call('get-resource-links')).toContain('[resource_link text/plain demo://')
  expect(JSON.parse(await call('get-env'))).toEqual({ ONLY: 'this' })
  await expect(call('get-sum', { a: 'x' })).rejects.toThrow(ToolError)
})

test('a call brings its key, so that a server can tell a repeat', async () => {
  const script = `const tools = [tool('book')]; const call = (id, name, args, meta) => text(id, JSON.stringify(meta))`
  const { call } = await start([scripted('counts', script)], { listed: 1 })
  expect(JSON.parse(await call('book'))).toEqual({ 'roundtable/call-key': 'step-1/call_1' })
})

test('a server over HTTP is the same, and one that was started anew is connected to again', async () => {
  const { child, port, settings } = await httpServer()
  const { call } = await start([settings], { listed: 10 })
  expect(await call('echo', { message: 'one' })).toBe('Echo: one')
  child.kill('SIGKILL')
  await once(child, 'close')
  await expect(call('echo', { message: 'nobody' })).rejects.toThrow(/far cannot be reached.*ECONNREFUSED/)
  await httpServer(port)
  expect(await call('echo', { message: 'two' })).toBe('Echo: two')
})

test('F92 a session that the server has forgotten is begun again', async () => {
  const { child, port, settings } = await httpServer()
  const { call } = await start([settings], { listed: 10 })
  child.kill('SIGKILL')
  await once(child, 'close')
  await httpServer(port)
  expect(await call('echo', { message: 'again' })).toBe('Echo: again')
})

test('an agent’s headers reach the server; nothing is redirected', async () => {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(String(request.headers.authorization))
    response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  const { said } = await start([{ kind: 'http', name: 'moved', url, headers: { authorization: 'Bearer canary' } }])
  expect(seen[0]).toBe('Bearer canary')
  await vi.waitFor(() => expect(said.join()).toContain('MCP server moved: cannot be reached'))
  expect(said.join()).not.toContain('canary')
})

test('F92 a server that is down is said in the log and does not hold up the others, nor the start', async () => {
  const silent = scripted('silent', 'const tools = []; console.log = () => {}')
  const missing: McpServerSettings = { kind: 'stdio', name: 'missing', command: '/nowhere/at/all', args: [], env: {} }
  const good = scripted('good', `const tools = [tool('ping')]; const call = (id) => text(id, 'pong')`)
  const { call, said } = await start([silent, missing, good], { listed: 1 })
  expect(await call('ping')).toBe('pong')
  expect(said).toEqual([expect.stringContaining('MCP server missing: cannot be reached: spawn /nowhere/at/all ENOENT')])
})

test('F92 names that clash get the server’s name before them, and keep it', async () => {
  const one = scripted('one', `const tools = [tool('same'), tool('a.b')]; const call = (id) => text(id, 'one')`)
  const two = scripted('two', `const tools = [tool('same')]; const call = (id) => text(id, 'two')`)
  const { call, store, tenant, mcp } = await start([one], { listed: 2 })
  const second = new McpTools({ servers: [two], callMs: 20_000, store, tenant })
  onTestFinished(() => second.close())
  await second.start()
  const names = async () => (await store.listTools(tenant, ListToolsQuery.parse({ order: 'asc' }))).map(({ name }) => name)
  await vi.waitFor(async () => expect(await names()).toEqual(['same', 'a_b', 'two_same']))
  expect(await call('same')).toBe('one')
  const [{ id }] = (await store.listTools(tenant, ListToolsQuery.parse({ name: 'two_same' }))) as [Tool]
  await store.editTool(tenant, id, (tool) => ({ ...tool, default_requires_approval: true }))
  await mcp.close()

  const anew = new McpTools({ servers: [two, one], callMs: 20_000, store, tenant })
  onTestFinished(() => anew.close())
  await anew.start()
  const context = { signal: new AbortController().signal } as ToolCallContext
  expect(await anew.run(await store.findTool(tenant, id), {}, context)).toEqual({ text: 'two' })
  expect(await names()).toEqual(['same', 'a_b', 'two_same'])
  expect((await store.findTool(tenant, id)).default_requires_approval).toBe(true)
})

test('F92 tools that no provider would take are left out and said', async () => {
  const script = `const tools = [
    tool('x'.repeat(65)),
    tool('fat', { inputSchema: { type: 'object', properties: { a: { description: 'y'.repeat(300_000) } } } }),
    tool('fine'),
  ]`
  const { said, tool } = await start([scripted('odd', script)], { listed: 1 })
  expect(await tool('fine')).toBeDefined()
  expect(await tool('fat')).toBeUndefined()
  expect(said).toEqual([
    expect.stringContaining('the name is too long'),
    expect.stringContaining('tool fat is left out: the schema is too large'),
  ])
})

test('an error of the tool is a ToolError with its text', async () => {
  const script = `const tools = [tool('fail')]
    const call = (id) => answer(id, { isError: true, content: [{ type: 'text', text: 'no luck' }] })`
  const { call } = await start([scripted('sad', script)], { listed: 1 })
  await expect(call('fail')).rejects.toThrow(new ToolError('no luck'))
})

test('F92 noise between the messages does no harm', async () => {
  const script = `const tools = [tool('loud')]
    const call = (id) => {
      for (const noise of ['not json', '5', 'null', '[]', '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":99999,"result":{}}',
        '{"jsonrpc":"2.0","method":5,"id":1}', '{"jsonrpc":"2.0","method":"notifications/x"}']) console.log(noise)
      text(id, 'still here')
    }`
  const { call } = await start([scripted('noisy', script)], { listed: 1 })
  expect(await call('loud')).toBe('still here')
})

test('F92 a call that is never answered ends at its limit, or when it is cancelled', async () => {
  const silent = scripted('silent', `const tools = [tool('wait')]; const call = () => {}`)
  const { call } = await start([silent], { listed: 1, callMs: 300 })
  await expect(call('wait')).rejects.toThrow('The MCP server silent failed: Request timed out after 300ms')
  const cancel = new AbortController()
  setImmediate(() => cancel.abort(new Error('cancelled')))
  await expect(call('wait', {}, cancel.signal)).rejects.toThrow('cancelled')
})

test('F92 an answer that comes too late does no harm', async () => {
  const script = `const tools = [tool('late'), tool('now')]
    let waiting
    const call = (id, name) => {
      if (name === 'late') waiting = id
      else { text(waiting, 'at last'); text(id, 'on time') }
    }`
  const { call } = await start([scripted('slow', script)], { listed: 2, callMs: 300 })
  await expect(call('late')).rejects.toThrow('timed out')
  expect(await call('now')).toBe('on time')
})

test('F92 a server that dies in the middle of a call is started again; the call is repeated only where that is safe', async () => {
  const mark = join(tempFolder(), 'die')
  const script = `const tools = [tool('write'), tool('read', { annotations: { readOnlyHint: true } })]
    const call = (id, name) => {
      const fs = require('node:fs')
      if (!fs.existsSync(${JSON.stringify(mark)})) return text(id, 'done')
      fs.rmSync(${JSON.stringify(mark)})
      process.exit(1)
    }`
  const { call } = await start([scripted('frail', script)], { listed: 2 })
  writeFileSync(mark, '')
  await expect(call('write')).rejects.toThrow('it may have done it, or not')
  expect(await call('write')).toBe('done')
  writeFileSync(mark, '')
  expect(await call('read')).toBe('done')
  expect(existsSync(mark)).toBe(false)
})

test('F92 a message without an end is cut off, with its server', async () => {
  const script = `const tools = [tool('flood')]
    const call = () => { const more = () => process.stdout.write('x'.repeat(1 << 20), more); more() }`
  const { call } = await start([scripted('endless', script)], { listed: 1 })
  await expect(call('flood')).rejects.toThrow('The connection to the MCP server endless broke')
})

test('its processes end with it', async () => {
  const script = `const tools = [tool('pid')]; process.on('SIGTERM', () => {}); process.stdin.on('end', () => setInterval(() => {}, 1000))
    process.exit = () => {}
    const call = (id) => text(id, String(process.pid))`
  const { call, mcp } = await start([scripted('stubborn', script)], { listed: 1 })
  const pid = Number(await call('pid'))
  await mcp.close()
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})

test('a tool whose server is not set up any more says so', async () => {
  const { tool, store, tenant } = await start([scripted('gone', `const tools = [tool('ping')]`)], { listed: 1 })
  const later = new McpTools({ servers: [], callMs: 20_000, store, tenant })
  await later.start()
  const call = later.run(await tool('ping'), {}, { signal: new AbortController().signal } as ToolCallContext)
  await expect(call).rejects.toThrow('The MCP server gone of this tool is not set up any more')
})

test('the setting names servers, and everything that is wrong with it at once', () => {
  const read = (servers: unknown) => readConfig({ PATH: '/bin', ROUNDTABLE_MCP_SERVERS: JSON.stringify(servers) }).mcpServers
  expect(read({ far: { url: 'https://example.com/mcp' }, near: { command: 'npx', args: ['it'], env: { KEY: 'v' } } })).toEqual([
    { kind: 'http', name: 'far', url: 'https://example.com/mcp', headers: {} },
    { kind: 'stdio', name: 'near', command: 'npx', args: ['it'], env: { PATH: '/bin', KEY: 'v' } },
  ])
  const wrong = () => read({ 'a b': {}, c: { url: 'ftp://x' }, d: { command: 'x', more: 1 } })
  for (const at of ['a b', '.c.url', '.d']) expect(wrong).toThrow(at)
  expect(() => readConfig({ PORT: 'x', ROUNDTABLE_MCP_SERVERS: '{' })).toThrow(/PORT[^]*ROUNDTABLE_MCP_SERVERS/)
})
