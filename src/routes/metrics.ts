import { Hono } from 'hono'
import type { Caller, Services } from '../services.ts'

/** `/metrics`, for Prometheus. It tells of all tenants together, in sums. */
export const metricsRoutes = ({ store, runs, metrics }: Services) =>
  new Hono<Caller>({ strict: false }).get('/', async (c) =>
    c.body(await metrics.text({ store, runs }), 200, { 'content-type': metrics.contentType }),
  )
