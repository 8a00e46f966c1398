import { z } from 'zod'

export type McpServerSettings =
  | { kind: 'http'; name: string; url: string; headers: Record<string, string> }
  /** `env` is all that it finds in its environment. */
  | { kind: 'stdio'; name: string; command: string; args: string[]; env: Record<string, string> }

const texts = z.record(z.string(), z.string())

/** JSON: name → where that MCP server is, and with what. */
export const McpServers = z
  .string()
  .default('{}')
  .transform((json, context): unknown => {
    try {
      return JSON.parse(json)
    } catch {
      context.addIssue({ code: 'custom', message: 'is not valid JSON' })
      return z.NEVER
    }
  })
  .pipe(
    z.record(
      z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'a server has a name of letters, digits, _ and -, 32 at most'),
      z.union(
        [
          z.strictObject({ url: z.url({ protocol: /^https?$/ }), headers: texts.default({}) }),
          z.strictObject({ command: z.string().min(1), args: z.array(z.string()).default([]), env: texts.default({}) }),
        ],
        'must be {"url", "headers"?} or {"command", "args"?, "env"?}',
      ),
    ),
  )

export const mcpServersOf = (servers: z.infer<typeof McpServers>, path: string | undefined) =>
  Object.entries(servers).map(([name, server]): McpServerSettings => {
    if ('url' in server) return { kind: 'http', name, ...server }
    return { kind: 'stdio', name, ...server, env: { ...(path !== undefined && { PATH: path }), ...server.env } }
  })
