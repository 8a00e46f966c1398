import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { authenticate } from './auth.ts'
import type { Config } from './config.ts'
import type { Store } from './db/store.ts'
import { asRefusal, TooLarge, WrongContentType } from './errors.ts'
import type { Providers } from './llm/index.ts'
import type { Runs } from './loop/run.ts'
import { agentMessageRoutes } from './routes/agent-messages.ts'
import { agentRoutes } from './routes/agents.ts'
import { blockRoutes } from './routes/blocks.ts'
import { groupMessageRoutes } from './routes/group-messages.ts'
import { groupRoutes } from './routes/groups.ts'
import { healthRoutes } from './routes/health.ts'
import { modelRoutes } from './routes/models.ts'
import { runRoutes } from './routes/runs.ts'
import type { RunLog } from './stream/log.ts'

/** The parts that routes work with. */
export interface Services {
  config: Config
  store: Store
  log: RunLog
  providers: Providers
  runs: Runs
  /** Aborts when the server goes down: streams tell their readers to come back. */
  closing: AbortSignal
}

/** What every handler finds in its context. */
export interface Caller {
  Bindings: HttpBindings
  Variables: { tenant: string }
}

/** Puts the routes together; the one place where an error becomes an answer. */
export function createApp(services: Services) {
  const { config, store } = services
  // Not strict: both spellings of the trailing slash are the same route (groups.md §1.5).
  const app = new Hono<Caller>({ strict: false })
  app.onError((error, c) => {
    if (error instanceof HTTPException) return c.json({ detail: error.message }, error.status)
    const refusal = asRefusal(error)
    if (refusal !== error) console.error(error)
    c.header('x-should-retry', String(refusal.retryable))
    if (refusal.retryable) c.header('retry-after', '1')
    return c.json(refusal.body(), refusal.status)
  })
  app.notFound((c) => c.json({ detail: 'Not Found' }, 404))
  app.use(cors({ origin: config.corsOrigins, exposeHeaders: ['x-letta-run-id', 'retry-after'] }))
  const limit = config.bodyLimitBytes
  app.use(
    bodyLimit({
      maxSize: limit,
      onError: (c) => {
        // What is left of the body is not read, so the connection cannot serve another request.
        c.header('connection', 'close')
        throw new TooLarge(limit)
      },
    }),
  )
  app.use(async (c, next) => {
    const {
      'content-type': type,
      'content-encoding': packed,
      'content-length': length,
      'transfer-encoding': encoding,
    } = c.req.header()
    const hasBody = encoding !== undefined || (length !== undefined && length !== '0')
    if (hasBody && packed !== undefined && packed !== 'identity') throw new WrongContentType(`content-encoding: ${packed}`)
    if (hasBody && !/^application\/([\w.-]+\+)?json\b/i.test(type ?? '')) throw new WrongContentType(type)
    await next()
  })
  const v1 = new Hono<Caller>({ strict: false })
    .route('/', healthRoutes(services))
    .use(authenticate(config, store))
    .route('/agents', agentRoutes(services))
    .route('/agents', agentMessageRoutes(services))
    .route('/blocks', blockRoutes(services))
    .route('/groups', groupRoutes(services))
    .route('/groups', groupMessageRoutes(services))
    .route('/models', modelRoutes(services))
    .route('/runs', runRoutes(services))
  return app.route('/v1', v1).route('/latest', v1)
}
