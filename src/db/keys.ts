import { and, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import { newId } from '../wire/id.ts'
import type { Key } from '../wire/key.ts'
import { isoDate } from '../wire/message.ts'
import { pageOf } from './page.ts'
import { keys, spending } from './schema.ts'
import type { Db } from './db.ts'
import type { Keys } from './store.ts'

type Row = typeof keys.$inferSelect

export const keyQueries = (db: Db): Keys => {
  const { orm, raw, write } = db
  const valid = and(isNull(keys.revokedAt), or(isNull(keys.expiresAt), gt(keys.expiresAt, sql.placeholder('now'))))
  const row = {
    id: keys.id,
    tenant: keys.tenant,
    name: keys.name,
    scope: keys.scope,
    requestsPerMinute: keys.requestsPerMinute,
    tokensPerDay: keys.tokensPerDay,
    lastUsedAt: keys.lastUsedAt,
  }
  // Looked up by a hash of what was sent: how long that takes says nothing of the keys there are.
  const byHash = orm
    .select(row)
    .from(keys)
    .where(and(eq(keys.hash, sql.placeholder('hash')), valid))
    .prepare()
  const byId = orm
    .select(row)
    .from(keys)
    .where(and(eq(keys.id, sql.placeholder('id')), valid))
    .prepare()
  const any = raw.prepare<[], 1>('SELECT 1 FROM keys LIMIT 1').pluck()
  const spent = orm
    .select({ tokens: spending.tokens })
    .from(spending)
    .where(and(eq(spending.key, sql.placeholder('key')), eq(spending.day, sql.placeholder('day'))))
    .prepare()
  return {
    async createKey(tenant, hash, create) {
      const { name, scope, expires_at: expires, requests_per_minute: requests, tokens_per_day: tokens } = create
      return await write(() => {
        const made = orm
          .insert(keys)
          .values({
            id: newId('key'),
            tenant,
            name,
            scope,
            hash,
            requestsPerMinute: requests ?? null,
            tokensPerDay: tokens ?? null,
            createdAt: Date.now(),
            expiresAt: expires == null ? null : Date.parse(expires),
          })
          .returning()
          .get()
        return shown(made)
      })
    },
    async listKeys(tenant, query) {
      return pageOf(db, keys, tenant, undefined, query).map(shown)
    },
    async revokeKey(tenant, id) {
      return await write(() => {
        const revoked = orm
          .update(keys)
          .set({ revokedAt: sql`coalesce(${keys.revokedAt}, ${Date.now()})` })
          .where(and(eq(keys.tenant, tenant), eq(keys.id, id)))
          .returning()
          .get()
        if (!revoked) throw new NotFound('key', id)
        return shown(revoked)
      })
    },
    async anyKey() {
      return any.get() !== undefined
    },
    async validKey(by) {
      const now = Date.now()
      return 'hash' in by ? byHash.get({ ...by, now }) : byId.get({ ...by, now })
    },
    async useKey(id, at) {
      await write(() => orm.update(keys).set({ lastUsedAt: at }).where(eq(keys.id, id)).run())
    },
    async tokensSpent(key, day) {
      return spent.get({ key, day })?.tokens ?? 0
    },
  }
}

const shown = (row: Row): Key => ({
  id: row.id,
  name: row.name,
  scope: row.scope,
  requests_per_minute: row.requestsPerMinute,
  tokens_per_day: row.tokensPerDay,
  created_at: isoDate(row.createdAt),
  last_used_at: maybe(row.lastUsedAt),
  expires_at: maybe(row.expiresAt),
  revoked_at: maybe(row.revokedAt),
})

const maybe = (at: number | null) => (at === null ? null : isoDate(at))
