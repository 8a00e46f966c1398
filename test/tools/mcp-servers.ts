import { expect, onTestFinished, vi } from 'vitest'
import type { McpServerSettings } from '../../src/config/mcp.ts'
import type { Store } from '../../src/db/store.ts'
import { McpTools } from '../../src/tools/mcp.ts'
import type { ToolCallContext } from '../../src/tools/tool.ts'
import { ListToolsQuery, type Tool } from '../../src/wire/tool.ts'
import { emptyStore } from '../db/build.ts'
import { captureLogs } from '../support/logs.ts'

/** A server that is a script of Node's. */
export const stdio = (name: string, args: string[], env: Record<string, string> = {}): McpServerSettings => ({
  kind: 'stdio',
  name,
  command: process.execPath,
  args,
  env,
})

interface Started {
  store: Store
  tenant: string
  mcp: McpTools
  said: string[]
  tool(name: string): Promise<Tool>
  call(name: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<string>
}

/** MCP servers with an empty store, started and, with `listed`, until that many tools are stored. Closed after the test. */
export async function start(servers: McpServerSettings[], { listed = 0, callMs = 20_000 } = {}): Promise<Started> {
  const { store, tenant } = await emptyStore()
  const said: string[] = []
  captureLogs('warn', ({ msg }) => said.push(msg))
  const mcp = new McpTools({ servers, callMs, store, tenant })
  onTestFinished(async () => {
    await mcp.close()
    vi.restoreAllMocks()
  })
  await mcp.start()
  const list = () => store.listTools(tenant, ListToolsQuery.parse({ limit: 100, order: 'asc' }))
  await vi.waitFor(async () => expect((await list()).length).toBeGreaterThanOrEqual(listed), { timeout: 30_000 })
  const tool = async (name: string) => (await list()).find((one) => one.name === name)!
  const never = new AbortController().signal
  return {
    store,
    tenant,
    mcp,
    said,
    tool,
    async call(name, args = {}, signal = never) {
      return (await mcp.run(await tool(name), args, { signal, callKey: 'step-1/call_1' } as ToolCallContext)).text
    },
  }
}

/** What makes Node a server on stdio: a script that has `answer(id, result)` and defines `tools` and `call(id, name, args, meta)`. */
export const scriptedMcp = (script: string): string[] => [
  '-e',
  `const answer = (id, result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
     const tool = (name, more) => ({ name, inputSchema: { type: 'object' }, ...more })
     ${script}
     require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
       const { id, method, params } = JSON.parse(line)
       if (method === 'initialize') answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } })
       if (method === 'tools/list') answer(id, { tools })
       if (method === 'tools/call') call(id, params.name, params.arguments, params._meta)
     }).on('close', () => process.exit())
     const text = (id, text) => answer(id, { content: [{ type: 'text', text }] })`,
]

/** Such a server, as it is set up. */
export const scripted = (name: string, script: string) => stdio(name, scriptedMcp(script))
