import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Config } from '../config.ts'
import { logger } from '../logger.ts'

/** Files, locks, tool processes and what else is open beside connections. */
const OTHER_FILES = 64

/** How often node looks for heads and bodies that take too long. */
const CHECK_MS = 1000

/**
 * How the HTTP server listens: what a head may weigh, what it and its body may take to come (faults.md F96), and how many
 * connections there may be. Those above the limit get a 503 while there is a file descriptor for that, so that the store and
 * the models always find one (faults.md F94); what is more than that is closed by node unseen.
 */
export function listening({
  connections,
  headLimitBytes,
  headMs,
  requestMs,
}: Pick<Config, 'connections' | 'headLimitBytes' | 'headMs' | 'requestMs'>) {
  // A reader may be the one whose run talks to a model: two descriptors.
  const limit = Math.max(1, Math.min(connections, Math.floor((fileLimit() - OTHER_FILES) / 2)))
  return {
    serverOptions: {
      maxHeaderSize: headLimitBytes,
      headersTimeout: headMs,
      requestTimeout: Math.max(headMs, requestMs),
      connectionsCheckingInterval: CHECK_MS,
    },
    createServer: ((options: ServerOptions, answer: RequestListener) => limited(options, answer, limit)) as typeof createServer,
  }
}

function limited(options: ServerOptions, answer: RequestListener, limit: number): Server {
  const tooMany = new WeakSet<Socket>()
  let open = 0
  const server = createServer(options, (request, response) => {
    if (!tooMany.has(request.socket)) return answer(request, response)
    response.writeHead(503, { 'content-type': 'application/json', connection: 'close', 'retry-after': '1' })
    response.end(JSON.stringify({ detail: 'Too many connections: try again in a moment' }))
  })
  server.on('connection', (socket) => {
    if (open === limit) logger.warn({ connections: limit }, 'No more connections are taken for now')
    if (open >= limit) tooMany.add(socket)
    open++
    socket.once('close', () => open--)
  })
  server.maxConnections = limit + Math.ceil(limit / 4)
  return server
}

/** How many files this process may have open; where the system does not say, as many as it likes. */
function fileLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
}
