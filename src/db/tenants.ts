import { randomBytes } from 'node:crypto'
import { asc, eq } from 'drizzle-orm'
import { newId } from '../wire/id.ts'
import { secrets, tenants } from './schema.ts'
import type { Db } from './db.ts'
import type { Tenants } from './store.ts'

export const tenantQueries = ({ orm, write }: Db): Tenants => ({
  async ensureTenant(tenant) {
    await write(() => orm.insert(tenants).values({ id: tenant, createdAt: Date.now() }).onConflictDoNothing().run())
  },
  async createTenant() {
    const id = newId('org')
    await write(() => orm.insert(tenants).values({ id, createdAt: Date.now() }).run())
    return id
  },
  async listTenants() {
    return orm.select().from(tenants).orderBy(asc(tenants.createdAt), asc(tenants.id)).all()
  },
  async secretOf(name) {
    return await write(() => {
      const value = randomBytes(32).toString('hex')
      orm.insert(secrets).values({ name, value }).onConflictDoNothing().run()
      return orm.select().from(secrets).where(eq(secrets.name, name)).get()!.value
    })
  },
})
