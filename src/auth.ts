import { createHash, timingSafeEqual } from 'node:crypto'
import { createMiddleware } from 'hono/factory'
import type { Caller } from './services.ts'
import type { Config } from './config.ts'
import type { Store } from './db/store.ts'
import { Unauthorized } from './errors.ts'

/** The one tenant of a server without keys, and of its password (design §5 rows 28, 32). */
export const DEFAULT_TENANT = 'org-00000000-0000-4000-8000-000000000000'

const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** The caller's key decides the tenant; nothing else does. */
export const authenticate = ({ password }: Pick<Config, 'password'>, store: Store) => {
  const expected = password === undefined ? undefined : sha256(password)
  return createMiddleware<Caller>(async (c, next) => {
    c.set('tenant', await tenantOf(c.req.header('authorization'), c.req.header('x-bare-password')))
    await next()
  })

  async function tenantOf(authorization: string | undefined, bare: string | undefined): Promise<string> {
    if (!expected) return DEFAULT_TENANT
    const key = /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? /^password (.+)$/.exec(bare ?? '')?.[1]
    if (key === undefined) throw new Unauthorized()
    const hash = sha256(key)
    if (timingSafeEqual(hash, expected)) return DEFAULT_TENANT
    const tenant = await store.tenantOfKey(hash.toString('hex'))
    if (tenant === undefined) throw new Unauthorized()
    return tenant
  }
}
