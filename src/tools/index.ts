import type { Config } from '../config.ts'
import type { NewTool, Store } from '../db/store.ts'
import { archivalMemoryInsert, archivalMemorySearch } from './archival.ts'
import { McpTools } from './mcp.ts'
import { coreMemoryAppend, coreMemoryReplace, memoryFinishEdits, memoryInsert, memoryReplace, memoryRethink } from './memory.ts'
import { memoryApplyPatch } from './memory-patch.ts'
import { memory } from './memory-paths.ts'
import { sendMessage } from './message.ts'
import { Sandbox, type SourceTool } from './sandbox.ts'
import { conversationSearch } from './search.ts'
import { type BuiltinTool, type Embed, ToolError, type ToolOutput, type ToolSource } from './tool.ts'
import { finishRethinkingMemory, rethinkUserMemory, searchMemory, storeMemories } from './voice.ts'

/** The tools that come with the server, by name. A new one is one file and one name here. */
export const builtinTools: ReadonlyMap<string, BuiltinTool> = new Map(
  [
    sendMessage,
    conversationSearch,
    archivalMemoryInsert,
    archivalMemorySearch,
    coreMemoryAppend,
    coreMemoryReplace,
    memory,
    memoryApplyPatch,
    memoryReplace,
    memoryInsert,
    memoryRethink,
    memoryFinishEdits,
    storeMemories,
    rethinkUserMemory,
    finishRethinkingMemory,
    searchMemory,
  ].map((tool) => [tool.name, tool]),
)

/** All tools there are. */
export interface Toolbox extends ToolSource {
  /** Those that come with the server, as they are stored. */
  baseTools: NewTool[]
  /** Runs source that is no stored tool. @throws {ToolError}; the signal's reason */
  runSource(
    source: SourceTool,
    args: Record<string, unknown>,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ToolOutput>
}

export interface ToolboxOptions {
  config: Pick<Config, 'customTools' | 'toolMs' | 'toolMemoryBytes' | 'mcpServers' | 'mcpCallMs'>
  store: Store
  /** Who gets the tools of the MCP servers. */
  tenant: string
  /** Built-in tools beside those that need nothing but the store. */
  more?: BuiltinTool[]
  /** For archival memory; without it the search goes by words. */
  embed?: Embed | undefined
}

/**
 * Stores the built-in tools for every tenant and those of the MCP servers for one, and runs each where its type says. Waits a moment for MCP servers,
 * not longer: those that are slow or down come later.
 */
export async function createTools({ config, store, tenant, more = [], embed }: ToolboxOptions): Promise<Toolbox> {
  const builtins = new Map([...builtinTools, ...more.map((tool) => [tool.name, tool] as const)])
  const baseTools = [...builtins.values()].map(toolRow)
  for (const { id } of await store.listTenants()) await store.ensureTools(id, baseTools)
  const sandbox = new Sandbox(config)
  const mcp = new McpTools({ servers: config.mcpServers, callMs: config.mcpCallMs, store, tenant })
  await mcp.start()
  const builtin: Pick<ToolSource, 'run'> = {
    async run({ name }, args, call) {
      const tool = builtins.get(name ?? '')
      if (!tool) throw new ToolError('This version of the server does not have this tool')
      return { text: await tool.run(args, embed ? { ...call, embed } : call) }
    },
  }
  const sources: Record<string, Pick<ToolSource, 'run'>> = { custom: sandbox, external_mcp: mcp }
  return {
    baseTools,
    run: (tool, args, call) => (sources[tool.tool_type] ?? builtin).run(tool, args, call),
    runSource: (source, args, env, signal) => sandbox.runSource(source, args, env, signal),
    async close() {
      await Promise.all([sandbox.close(), mcp.close()])
    },
  }
}

/** A built-in tool as it is stored and shown. */
export const toolRow = ({ name, type, description, parameters, parallelSafe = false }: BuiltinTool): NewTool => ({
  tool_type: type,
  description,
  source_type: 'python',
  name,
  tags: [type],
  source_code: null,
  json_schema: { name, description, parameters },
  args_json_schema: null,
  return_char_limit: 50_000,
  pip_requirements: null,
  npm_requirements: null,
  default_requires_approval: null,
  enable_parallel_execution: parallelSafe,
  created_by_id: null,
  last_updated_by_id: null,
  metadata_: {},
  project_id: null,
})
