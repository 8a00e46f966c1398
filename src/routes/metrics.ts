import { Hono } from 'hono'
import { DEFAULT_TENANT } from '../db/store.ts'
import type { Caller, Services } from '../services.ts'

/** `/metrics`, for Prometheus. It tells of all tenants together, in sums: that is for the tenant of who runs the server. */
export const metricsRoutes = ({ store, runs, metrics }: Services) =>
  new Hono<Caller>({ strict: false }).get('/', async (c) => {
    if ((c.var.tenant ?? DEFAULT_TENANT) !== DEFAULT_TENANT) return c.notFound()
    return c.body(await metrics.text({ store, runs }), 200, { 'content-type': metrics.contentType })
  })
