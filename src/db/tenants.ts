import { eq, sql } from 'drizzle-orm'
import { keys, tenants } from './schema.ts'
import type { Db } from './db.ts'
import type { Tenants } from './store.ts'

export const tenantQueries = ({ orm, write }: Db): Tenants => {
  const byHash = orm
    .select({ tenant: keys.tenant })
    .from(keys)
    .where(eq(keys.hash, sql.placeholder('hash')))
    .prepare()
  return {
    async tenantOfKey(hash) {
      return byHash.get({ hash })?.tenant
    },
    async ensureTenant(tenant) {
      await write(() => orm.insert(tenants).values({ id: tenant, createdAt: Date.now() }).onConflictDoNothing().run())
    },
  }
}
