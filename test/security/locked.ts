import { join } from 'node:path'
import { newKey } from '../../src/auth/keyring.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import { DEFAULT_TENANT } from '../../src/db/store.ts'
import { CreateKey, type Scope } from '../../src/wire/key.ts'
import { type Api, apiAt } from '../support/api.ts'
import { startServer, tempFolder, type TestServer } from '../support/server.ts'

/** One of the tenants of a test: its id, a key for each scope, and what it calls with its `admin` key. */
export interface Tenant {
  id: string
  keys: Record<Scope, string>
  api: Api
}

export interface LockedServer extends Omit<TestServer, 'api'> {
  file: string
  ana: Tenant
  ben: Tenant
  /** With this key, or none. */
  as(key: string | undefined): Api
}

/** A database with two tenants that have a key for each scope, made as an operator makes them. */
export async function twoTenants() {
  const file = join(tempFolder(), 'locked.db')
  const store = openSqlite(`file:${file}`, 'migrations/sqlite')
  await store.ensureTenant(DEFAULT_TENANT)
  const made = async (id: string) => {
    const keys: Record<string, string> = {}
    for (const scope of ['read', 'write', 'admin'] as const) {
      const { key, hash } = newKey()
      await store.createKey(id, hash, CreateKey.parse({ name: scope, scope }))
      keys[scope] = key
    }
    return { id, keys: keys as Record<Scope, string> }
  }
  const ana = await made(DEFAULT_TENANT)
  const ben = await made(await store.createTenant())
  await store.close()
  return { file, ana, ben }
}

/** A server on it. */
export async function startLocked(settings: Record<string, string> = {}): Promise<LockedServer> {
  const { file, ana, ben } = await twoTenants()
  const server = await startServer({ DATABASE_URL: `file:${file}`, ...settings })
  const as = (key: string | undefined) => apiAt(server.url, key === undefined ? {} : { authorization: `Bearer ${key}` })
  const tenant = (made: Omit<Tenant, 'api'>): Tenant => ({ ...made, api: as(made.keys.admin) })
  return { ...server, file, as, ana: tenant(ana), ben: tenant(ben) }
}
