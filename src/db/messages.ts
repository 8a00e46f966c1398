import { and, asc, eq, gt, min, sql } from 'drizzle-orm'
import { NotFound, RunBusy } from '../errors.ts'
import { pageOf } from './page.ts'
import { busy, messages } from './schema.ts'
import type { Db } from './sqlite.ts'
import type { MessageRow, Messages, MessageScope } from './store.ts'

export const messageQueries = (db: Db): Messages => {
  const { orm, write } = db
  const context = orm
    .select()
    .from(messages)
    // Spelled as in the partial index, or SQLite does not use that.
    .where(and(eq(messages.agentId, sql.placeholder('agent')), sql`in_context = 1`))
    .orderBy(asc(messages.seq))
    .prepare()
  return {
    async listMessages(tenant, of, page) {
      return pageOf(db, messages, tenant, whereOf(of), page)
    },
    async contextOf(agentId) {
      return context.all({ agent: agentId })
    },
    async setParts(messageId, parts) {
      write(() => orm.update(messages).set({ parts }).where(eq(messages.id, messageId)).run())
    },
    async findGroupMessage(tenant, groupId, messageId) {
      const row = orm
        .select()
        .from(messages)
        .where(and(eq(messages.tenant, tenant), eq(messages.groupId, groupId), eq(messages.id, messageId)))
        .get()
      if (!row) throw new NotFound('message', messageId)
      return row
    },
    async resetGroup(tenant, groupId) {
      write(() => {
        refuseWhileBusy(db, groupId)
        orm
          .delete(messages)
          .where(and(eq(messages.tenant, tenant), eq(messages.groupId, groupId)))
          .run()
      })
    },
    async resetAgent(tenant, agentId) {
      write(() => {
        refuseWhileBusy(db, agentId)
        const own = and(eq(messages.tenant, tenant), eq(messages.agentId, agentId))
        const [first] = orm
          .select({ seq: min(messages.seq) })
          .from(messages)
          .where(own)
          .all()
        orm
          .update(messages)
          .set({ inContext: false })
          .where(and(own, gt(messages.seq, first?.seq ?? 0)))
          .run()
      })
    },
  }
}

function whereOf(of: MessageScope) {
  if ('run' in of) return and(eq(messages.runId, of.run), sql`heard = 0`)
  if (of.agent === undefined) return and(eq(messages.groupId, of.group), sql`heard = 0`)
  return and(eq(messages.agentId, of.agent), of.group === undefined ? undefined : eq(messages.groupId, of.group))
}

/** In the transaction of the caller. */
export function insertMessages({ orm }: Pick<Db, 'orm'>, tenant: string, rows: MessageRow[]): void {
  if (rows.length > 0)
    orm
      .insert(messages)
      .values(rows.map((row) => ({ ...row, tenant })))
      .run()
}

/** @throws {RunBusy} while a run talks to `target`; in the transaction of the caller */
export function refuseWhileBusy({ orm }: Pick<Db, 'orm'>, target: string): void {
  const holder = orm.select().from(busy).where(eq(busy.target, target)).get()
  if (holder) throw new RunBusy(target, holder.runId)
}
