import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { McpServerSettings } from '../config/mcp.ts'
import type { NewTool, Store } from '../db/store.ts'
import { logger } from '../logger.ts'
import type { Tool } from '../wire/tool.ts'
import { type ListedTool, McpServer, messageOf } from './mcp-server.ts'
import { ToolError, type ToolCallContext, type ToolOutput, type ToolSource } from './tool.ts'

export interface McpOptions {
  servers: McpServerSettings[]
  /** How long one call may take. */
  callMs: number
  store: Pick<Store, 'ensureServerTools'>
  /** Who gets the tools. */
  tenant: string
}

/** How long the start of the server waits for them. */
const START_MS = 1000
/** How often a server that was down at the start is tried again, until it has told its tools. */
const AGAIN_MS = 30_000

const NAME_CHARS = 64
const SCHEMA_BYTES = 256 * 1024
const SCHEMA_DEPTH = 100

/** How a stored tool says whose it is. */
const Origin = z.object({ mcp: z.object({ server_name: z.string(), tool_name: z.string() }) })

/**
 * The tools of the operator's MCP servers. What a server lists is stored as tools that agents are given by id. A server that is
 * down is said so in the log, and tried again when one of its tools is used.
 */
export class McpTools implements ToolSource {
  readonly #options: McpOptions
  readonly #servers: Map<string, McpServer>
  readonly #again = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(options: McpOptions) {
    this.#options = options
    const { servers, callMs } = options
    this.#servers = new Map(
      servers.map((settings) => {
        const told = (listed: ListedTool[]) => this.#store(settings.name, listed)
        return [settings.name, new McpServer({ settings, callMs, told })]
      }),
    )
  }

  /** Asks each server for its tools; resolves when all have told them, or after a moment. */
  async start(): Promise<void> {
    if (this.#servers.size === 0) return
    const moment = new AbortController()
    const all = Promise.all([...this.#servers.values()].map((server) => this.#connect(server)))
    await Promise.race([all, sleep(START_MS, undefined, { signal: moment.signal, ref: false }).catch(() => {})])
    moment.abort()
  }

  async run({ metadata_: metadata }: Tool, args: Record<string, unknown>, call: ToolCallContext): Promise<ToolOutput> {
    const origin = Origin.safeParse(metadata).data?.mcp
    const server = origin && this.#servers.get(origin.server_name)
    if (!server) throw new ToolError(`The MCP server ${origin?.server_name ?? ''} of this tool is not set up any more`)
    const { text, isError } = await server.call(origin.tool_name, args, call)
    if (isError) throw new ToolError(text)
    return { text }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#again) clearTimeout(timer)
    await Promise.all([...this.#servers.values()].map((server) => server.close()))
  }

  async #connect(server: McpServer, again = false): Promise<void> {
    try {
      await server.connect()
      if (again) say(server.name, 'is there now')
    } catch (error) {
      if (this.#closed) return
      if (!again) say(server.name, `cannot be reached: ${messageOf(error)}`)
      const timer = setTimeout(() => {
        this.#again.delete(timer)
        void this.#connect(server, true)
      }, AGAIN_MS)
      this.#again.add(timer.unref())
    }
  }

  async #store(server: string, listed: ListedTool[]): Promise<void> {
    const tools = new Map<string, NewTool>()
    for (const tool of listed) {
      const name = tool.name.replaceAll(/[^\w-]/g, '_') // what providers take
      if (name.length > NAME_CHARS) say(server, `its tool ${name.slice(0, NAME_CHARS)}… is left out: the name is too long`)
      else if (isDeep(tool, SCHEMA_DEPTH)) say(server, `its tool ${name} is left out: the schema is nested too deeply`)
      else if (JSON.stringify(tool).length > SCHEMA_BYTES) say(server, `its tool ${name} is left out: the schema is too large`)
      else tools.set(tool.name, rowOf(server, name, tool))
    }
    const refused = await this.#options.store.ensureServerTools(this.#options.tenant, server, [...tools.values()])
    for (const { name } of refused) say(server, `its tool ${name} is left out: other tools have its names`)
  }
}

const isDeep = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeep(inner, levels - 1)))

const say = (server: string, what: string) => logger.warn(`MCP server ${server}: ${what}`)

const rowOf = (
  server: string,
  name: string,
  { name: toolName, description, inputSchema, annotations }: ListedTool,
): NewTool => ({
  tool_type: 'external_mcp',
  name,
  description: description ?? null,
  source_type: 'json',
  source_code: null,
  json_schema: {
    name,
    description: description ?? '',
    parameters: { ...inputSchema, type: 'object', properties: inputSchema.properties ?? {} },
  },
  args_json_schema: null,
  tags: [`mcp:${server}`],
  return_char_limit: 50_000,
  pip_requirements: null,
  npm_requirements: null,
  default_requires_approval: null,
  enable_parallel_execution: annotations?.readOnlyHint ?? false,
  created_by_id: null,
  last_updated_by_id: null,
  metadata_: { mcp: { server_name: server, tool_name: toolName } } satisfies z.infer<typeof Origin>,
  project_id: null,
})
