import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CALL_KEY } from '../../src/tools/mcp-server.ts'

/** Something that a tool did outside, and the key that it was asked with. */
export interface Effect {
  key: string
  note: string
}

/** An MCP server whose one tool, `book`, has effects that are counted. They outlive any server of ours. */
export async function toolServer(onEffect: () => void) {
  const effects: Effect[] = []
  const answers: Record<string, (params: any) => object> = {
    initialize: ({ protocolVersion }) => ({
      protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'bookings', version: '1' },
    }),
    'tools/list': () => ({
      tools: [
        {
          name: 'book',
          description: 'Books it.',
          inputSchema: { type: 'object', properties: { note: { type: 'string' } }, required: ['note'] },
        },
      ],
    }),
    'tools/call': ({ arguments: { note }, _meta }) => {
      effects.push({ key: String(_meta?.[CALL_KEY]), note })
      onEffect()
      return { content: [{ type: 'text', text: `Booked ${note}` }] }
    },
  }
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request)
      const { id, method, params } = JSON.parse(body || '{}')
      const answer = answers[method]
      if (request.method !== 'POST') return response.writeHead(405).end()
      if (id === undefined) return response.writeHead(202).end()
      const outcome = answer ? { result: answer(params) } : { error: { code: -32_601, message: 'Method not found' } }
      // A turn later: what kills the server at this moment finds the effect done and its result not there.
      setImmediate(() => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, ...outcome }))
      })
    })()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    effects,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}
