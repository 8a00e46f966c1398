import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import { HTTPException } from 'hono/http-exception'
import { door } from './auth/door.ts'
import { securityHeaders } from './auth/headers.ts'
import { Origins } from './auth/origins.ts'
import { isUnsafe } from './auth/scopes.ts'
import { asRefusal, BodyCut, TooLarge, WrongContentType } from './errors.ts'
import { logger } from './logger.ts'
import { agentMessageRoutes } from './routes/agent-messages.ts'
import { agentRoutes } from './routes/agents.ts'
import { agentToolRoutes } from './routes/agent-tools.ts'
import { blockRoutes } from './routes/blocks.ts'
import { completionRoutes, openAiRoutes } from './routes/completions.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { groupMessageRoutes } from './routes/group-messages.ts'
import { groupStreamRoutes } from './routes/group-stream.ts'
import { groupRoutes } from './routes/groups.ts'
import { healthRoutes } from './routes/health.ts'
import { keyRoutes } from './routes/keys.ts'
import { messageRoutes } from './routes/messages.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { modelRoutes } from './routes/models.ts'
import { openAiError, speaksOpenAi } from './routes/openai-error.ts'
import { openApiRoutes } from './routes/openapi.ts'
import { pageRoutes } from './routes/page.ts'
import { runRoutes } from './routes/runs.ts'
import { stepRoutes } from './routes/steps.ts'
import { tagRoutes } from './routes/tags.ts'
import { ticketRoutes } from './routes/tickets.ts'
import { toolRoutes } from './routes/tools.ts'
import type { Caller, Services } from './services.ts'

/** Puts the routes together; the one place where an error becomes an answer. */
export function createApp(services: Services) {
  const { config } = services
  const origins = new Origins(config)
  // Not strict: both spellings of the trailing slash are the same route (groups.md §1.5).
  const app = new Hono<Caller>({ strict: false })
  app.onError((error, c) => {
    if (error instanceof HTTPException) {
      logRefused(c, error.status, error.message)
      return c.json(shaped(c, error.status, { detail: error.message }), error.status)
    }
    const { incoming } = c.env
    const cut = incoming.destroyed && !incoming.complete
    const refusal = cut ? new BodyCut(error) : asRefusal(error)
    logRefused(c, refusal.status, refusal.message, cut || refusal === error ? undefined : error)
    for (const [name, value] of Object.entries(refusal.headers())) c.header(name, value)
    return c.json(shaped(c, refusal.status, refusal.body()), refusal.status)
  })
  app.notFound((c) => {
    logRefused(c, 404, 'Not Found')
    return c.json(shaped(c, 404, { detail: 'Not Found' }), 404)
  })
  app.use(securityHeaders)
  app.use(forPages(origins))
  // What is above the door is open to everybody.
  for (const root of ['/v1', '/latest']) app.route(root, healthRoutes(services))
  app.route('/', pageRoutes(services))
  app.route(
    '/',
    openApiRoutes(() => app.routes),
  )
  if (config.metricsOpen) app.route('/metrics', metricsRoutes(services))
  app.use(door({ ...services, origins }))
  app.use(bodies(config.bodyLimitBytes))
  const v1 = new Hono<Caller>({ strict: false })
    .route('/', ticketRoutes(services))
    .route('/agents', agentRoutes(services))
    .route('/agents', agentMessageRoutes(services))
    .route('/agents', agentToolRoutes(services))
    .route('/blocks', blockRoutes(services))
    .route('/chat/completions', completionRoutes(services))
    .route('/conversations', conversationRoutes(services))
    .route('/groups', groupRoutes(services))
    .route('/groups', groupMessageRoutes(services))
    .route('/groups', groupStreamRoutes(services))
    .route('/keys', keyRoutes(services))
    .route('/messages', messageRoutes(services))
    .route('/models', modelRoutes(services))
    .route('/runs', runRoutes(services))
    .route('/steps', stepRoutes(services))
    .route('/tags', tagRoutes(services))
    .route('/tools', toolRoutes(services))
  return app
    .route('/metrics', metricsRoutes(services))
    .route('/v1', v1)
    .route('/latest', v1)
    .route('/openai/v1', openAiRoutes(services))
}

/** What a page of another origin may do. Others get no more than what a cache in between needs to know. */
function forPages(origins: Origins) {
  const exposeHeaders = ['x-letta-run-id', 'retry-after']
  const ofPage = cors({ origin: (origin) => origins.allow(origin), exposeHeaders })
  return createMiddleware<Caller>((c, next) => {
    if (c.req.header('origin') !== undefined || c.req.method === 'OPTIONS') return ofPage(c, next)
    c.env.outgoing.setHeader('vary', 'Origin')
    return next()
  })
}

/** Takes bodies of JSON alone, and none that is longer than `limit` bytes. */
function bodies(limit: number) {
  const onError = (c: Context) => {
    // What is left of the body is not read, so the connection cannot serve another request.
    c.header('connection', 'close')
    throw new TooLarge(limit)
  }
  const counted = bodyLimit({ maxSize: limit, onError })
  return createMiddleware<Caller>((c, next) => {
    const { headers } = c.env.incoming
    const { 'content-length': length, 'transfer-encoding': encoding } = headers
    const hasBody = encoding !== undefined || (length !== undefined && length !== '0')
    if (!hasBody) return next()
    if (Number(length) > limit && isUnsafe(c.req.method)) return onError(c)
    const { 'content-type': type, 'content-encoding': packed } = headers
    if (packed !== undefined && packed !== 'identity') throw new WrongContentType(`content-encoding: ${packed}`)
    if (!/^application\/([\w.-]+\+)?json\b/i.test(type ?? '')) throw new WrongContentType(type)
    // To see whether there is a body, Hono makes a web stream of it: just for one whose length nobody has said.
    return encoding === undefined ? next() : counted(c, next)
  })
}

/** An error's body in the format of who asks. */
const shaped = (c: Context<Caller>, status: number, body: Record<string, unknown>) =>
  speaksOpenAi(c.req.path) ? openAiError(status, body) : body

/** One line per request that was refused or failed. The query stays out: it may hold a ticket. */
function logRefused(c: Context<Caller>, status: number, reason: string, error?: unknown) {
  const { method, path } = c.req
  const level = status === 500 ? 'error' : status > 500 || [401, 403, 429].includes(status) ? 'warn' : 'info'
  logger[level]({ method, path, status, tenant: c.var.tenant, ...(error !== undefined && { err: error }) }, reason)
}
