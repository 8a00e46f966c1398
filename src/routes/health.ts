import { Hono } from 'hono'
import pkg from '../../package.json' with { type: 'json' }
import type { Store } from '../db/store.ts'
import { StorageTrouble } from '../errors.ts'
import type { Caller, Services } from '../services.ts'
import { Health, Readiness } from '../wire/response.ts'
import { answers } from './describe.ts'

/** Open to everyone, with and without keys (design §5 row 32). */
export const healthRoutes = ({ store, runs }: Services) =>
  new Hono<Caller>({ strict: false })
    .get('/health', answers('Say that the server is there', Health), (c) => c.json({ version: pkg.version, status: 'ok' }))
    .get('/ready', answers('Say whether it can work', Readiness, { also: { 503: 'It cannot, and why' } }), async (c) => {
      const reason = runs.draining ? 'shutting down' : await troubleOf(store)
      return c.json(
        reason === undefined ? { status: 'ok' } : { status: 'unavailable', reason },
        reason === undefined ? 200 : 503,
      )
    })

/** Why nothing could be stored now, if that is so. */
async function troubleOf(store: Store): Promise<string | undefined> {
  try {
    return (await store.ready()) ? undefined : 'storage takes nothing'
  } catch (error) {
    return error instanceof StorageTrouble ? error.message : 'storage fails'
  }
}
