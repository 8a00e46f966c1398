import { Hono } from 'hono'
import pkg from '../../package.json' with { type: 'json' }
import type { Caller, Services } from '../services.ts'

/** Open to everyone, with and without keys (design §5 row 32). */
export const healthRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .get('/health', (c) => c.json({ version: pkg.version, status: 'ok' }))
    .get('/ready', async (c) => {
      const ready = await store.ready()
      return c.json({ status: ready ? 'ok' : 'unavailable' }, ready ? 200 : 503)
    })
