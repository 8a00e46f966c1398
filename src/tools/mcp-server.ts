import type { ListToolsResult, MCPClient, MCPClientConfig, MCPTransport } from '@ai-sdk/mcp'
import { z } from 'zod'
import type { McpServerSettings } from '../config/mcp.ts'
import { withoutSecrets } from '../logger.ts'
import { StdioTransport } from './mcp-stdio.ts'
import { ToolError, type ToolCallContext } from './tool.ts'

export type ListedTool = ListToolsResult['tools'][number]

export interface McpServerOptions {
  settings: McpServerSettings
  callMs: number
  /** What it lists, each time it has been connected to. */
  told: (tools: ListedTool[]) => Promise<void>
}

export type CallOptions = Pick<ToolCallContext, 'signal' | 'callKey'>

interface Output {
  text: string
  isError: boolean
}

/** Where in `_meta` of a call its key is. */
export const CALL_KEY = 'roundtable/call-key'

const CONNECT_MS = 10_000
/** How long a server may take to say goodbye. */
const CLOSE_MS = 2000
const MESSAGE_BYTES = 16 * 1024 * 1024
const MOST_TOOLS = 1000

/** One MCP server: connected to when it is needed, and again when the connection was lost. */
export class McpServer {
  readonly name: string
  readonly #options: McpServerOptions
  readonly #closing = new AbortController()
  #client: Promise<MCPClient> | undefined
  #annotations = new Map<string, ListedTool['annotations']>()

  constructor(options: McpServerOptions) {
    this.name = options.settings.name
    this.#options = options
  }

  /** The connection there is, or a new one. */
  connect(): Promise<MCPClient> {
    if (this.#client) return this.#client
    const client: Promise<MCPClient> = this.#open(() => void this.#drop(client))
    this.#client = client
    client.catch(() => this.#forget(client))
    return client
  }

  /**
   * Calls a tool. When the connection turns out to be lost, it is made again, once, and so is the call, unless the server may
   * have begun with it and does not say that twice is as good as once. A server can tell a repeat by `_meta`, which holds the
   * call's key: the same for every try, also after a crash (faults.md F5).
   *
   * @throws {ToolError}; the signal's reason
   */
  async call(name: string, args: Record<string, unknown>, { signal, callKey }: CallOptions): Promise<Output> {
    for (let attempt = 1; ; attempt++) {
      const connection = this.connect()
      const client = await unlessAborted(connection, signal).catch((error: unknown) => {
        signal.throwIfAborted()
        throw new ToolError(this.#explain(error, 'not sent'))
      })
      try {
        const options = { signal, timeout: this.#options.callMs }
        return read(await callTool(client, { name, arguments: args, _meta: { [CALL_KEY]: callKey } }, options))
      } catch (error) {
        signal.throwIfAborted()
        const fate = fateOf(error)
        if (fate !== 'answered') await this.#drop(connection)
        const { readOnlyHint, idempotentHint } = this.#annotations.get(name) ?? {}
        const again = fate === 'not sent' || (fate === 'unknown' && (readOnlyHint || idempotentHint))
        if (!again || attempt === 2) throw new ToolError(this.#explain(error, fate))
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ToolError('The server is shutting down'))
    if (this.#client) await this.#drop(this.#client)
  }

  /** @param lost is called when the connection is of no use any more */
  async #open(lost: () => void): Promise<MCPClient> {
    this.#closing.signal.throwIfAborted()
    // Most servers of ours have none, so they do not load it.
    const { createMCPClient, validateJSONRPCMessage } = await import('@ai-sdk/mcp')
    const { settings } = this.#options
    const transport: MCPTransport | HttpTransport =
      settings.kind === 'http'
        ? { type: 'http', url: settings.url, headers: settings.headers, redirect: 'error', fetch: measured(lost) }
        : new StdioTransport({ ...settings, limitBytes: MESSAGE_BYTES, check: validateJSONRPCMessage, ended: lost })
    const client: MCPClient = await createMCPClient({
      transport,
      clientName: 'roundtable',
      initializationOptions: { timeout: CONNECT_MS, signal: this.#closing.signal },
      onUncaughtError: () => {}, // what concerns a call rejects it; the rest is the server's chatter
    })
    try {
      const tools = await listTools(client)
      this.#annotations = new Map(tools.map((tool) => [tool.name, tool.annotations]))
      await this.#options.told(tools)
      return client
    } catch (error) {
      await client.close()
      throw error
    }
  }

  #forget(client: Promise<MCPClient>) {
    if (this.#client === client) this.#client = undefined
  }

  async #drop(client: Promise<MCPClient>): Promise<void> {
    this.#forget(client)
    const bye = client.then((open) => open.close()).catch(() => {})
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, CLOSE_MS)
    await Promise.race([bye, late])
    clearTimeout(timer)
  }

  #explain(error: unknown, fate: Fate): string {
    // It may quote the headers that it was sent.
    const message = withoutSecrets(messageOf(error)).slice(0, 500)
    if (fate === 'unknown')
      return `The connection to the MCP server ${this.name} broke; it may have done it, or not (${message})`
    if (fate === 'not sent') return `The MCP server ${this.name} cannot be reached (${message})`
    return `The MCP server ${this.name} failed: ${message}`
  }
}

/** The client's own `callTool` has no place for `_meta`. */
async function callTool(client: MCPClient, params: Record<string, unknown>, options: object): Promise<object> {
  const { request } = client as unknown as { request: (call: object) => Promise<object> }
  return await request.call(client, { request: { method: 'tools/call', params }, resultSchema: z.looseObject({}), options })
}

async function listTools(client: MCPClient): Promise<ListedTool[]> {
  const tools: ListedTool[] = []
  let cursor: string | undefined
  do {
    const page = await client.listTools({
      ...(cursor !== undefined && { params: { cursor } }),
      options: { timeout: CONNECT_MS },
    })
    tools.push(...page.tools)
    cursor = page.nextCursor
  } while (cursor !== undefined && tools.length < MOST_TOOLS)
  return tools.slice(0, MOST_TOOLS)
}

/** With what it was caused by: `fetch failed` alone says nothing. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : undefined
  const why = cause && (cause.message || (cause as { code?: string }).code)
  return why ? `${error.message}: ${why}` : error.message
}

/** What became of a call that failed. */
type Fate = 'answered' | 'not sent' | 'unknown'

const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
])

function fateOf(error: unknown): Fate {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, statusCode, message } = cause as Error & { code?: string | number; statusCode?: number }
    if (typeof code === 'string') return neverSent.has(code) ? 'not sent' : 'unknown'
    // Both numbers are what the official SDK's servers say of a session that they do not know, which is lost with them.
    if (code === -32_000 || code === -32_001 || (statusCode !== undefined && statusCode >= 400 && statusCode < 500))
      return 'not sent'
    // It took the call, and what it answered makes no sense.
    if (statusCode !== undefined && statusCode < 300) return 'unknown'
    if (code !== undefined || statusCode !== undefined) return 'answered'
    if (/closed client|process has ended|initialization timed out/.test(message)) return 'not sent'
    if (message === 'Connection closed' || message === 'fetch failed') {
      if (!(cause.cause instanceof Error)) return 'unknown'
    }
  }
  return 'answered'
}

/** The text of the parts that have one; the others in a word. */
function read(result: object): Output {
  const { content, structuredContent, isError } = result as {
    content?: unknown
    structuredContent?: unknown
    isError?: unknown
  }
  const parts = Array.isArray(content) ? content.map(describe) : []
  const text = parts.length === 0 && structuredContent !== undefined ? JSON.stringify(structuredContent) : parts.join('\n')
  return { text, isError: isError === true }
}

interface ContentPart {
  type: string
  text?: string
  mimeType?: string
  uri?: string
  resource?: { uri: string; text?: string; mimeType?: string }
}

function describe({ type, text, mimeType, uri, resource }: ContentPart): string {
  if (type === 'text') return text ?? ''
  if (resource?.text !== undefined) return resource.text
  return `[${[type, mimeType ?? resource?.mimeType, uri ?? resource?.uri].filter(Boolean).join(' ')}]`
}

type HttpTransport = Extract<MCPClientConfig['transport'], { type: 'sse' | 'http' }>

/** A fetch whose answers to a POST have an end; past it the connection is given up. */
function measured(lost: () => void): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    if (init?.method !== 'POST' || !response.body) return response
    let bytes = 0
    const body = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bytes += chunk.length
          if (bytes <= MESSAGE_BYTES) return controller.enqueue(chunk)
          lost()
          controller.error(new Error(`It sent an answer of more than ${MESSAGE_BYTES} bytes`))
        },
      }),
    )
    return new Response(body, response)
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
