import { and, desc, eq, gt, min, sql } from 'drizzle-orm'
import { Conflict, NotFound } from '../errors.ts'
import { pageOf } from './page.ts'
import { busyCheck } from './busy.ts'
import { inserter } from './inserter.ts'
import { reader } from './reader.ts'
import { messages } from './schema.ts'
import { searchIndex } from './search-index.ts'
import type { Db } from './db.ts'
import type { MessageRow, Messages, MessageScope } from './store.ts'

export const messageQueries = (db: Db): Messages => {
  const { orm, write } = db
  const refuseBusy = busyCheck(db)
  const context = reader(db, messages, 'WHERE agent_id = +? AND in_context = 1 ORDER BY coalesce(place, seq), seq')
  return {
    async listMessages(tenant, of, page) {
      return pageOf(db, messages, tenant, whereOf(of), page)
    },
    async contextOf(agentId) {
      return context.all(agentId)
    },
    async compactContext(tenant, agentId, evicted, summary) {
      await write(() => {
        const own = and(eq(messages.tenant, tenant), eq(messages.agentId, agentId), sql`in_context = 1`)
        const { changes } = orm
          .update(messages)
          .set({ inContext: false })
          .where(and(own, sql`${messages.id} in (select value from json_each(${JSON.stringify(evicted)}))`))
          .run()
        if (changes < evicted.length) throw new Conflict('CONFLICT: The context was changed by somebody else just now')
        const first = orm
          .select({ seq: min(messages.seq) })
          .from(messages)
          .where(own)
          .get()
        orm
          .insert(messages)
          .values({ ...summary, tenant, place: first?.seq ?? null })
          .run()
      })
    },
    async setParts(messageId, parts) {
      await write(() => orm.update(messages).set({ parts }).where(eq(messages.id, messageId)).run())
    },
    async findMessage(tenant, messageId) {
      const row = orm
        .select()
        .from(messages)
        .where(and(eq(messages.tenant, tenant), eq(messages.id, messageId)))
        .get()
      if (!row) throw new NotFound('message', messageId)
      return row
    },
    async runOfInput(tenant, agentId, otid) {
      const row = orm
        .select({ runId: messages.runId })
        .from(messages)
        .where(and(eq(messages.tenant, tenant), eq(messages.agentId, agentId), eq(messages.otid, otid)))
        .orderBy(desc(messages.seq))
        .limit(1)
        .get()
      return row?.runId ?? undefined
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
      await write(() => {
        refuseBusy(groupId)
        orm
          .delete(messages)
          .where(and(eq(messages.tenant, tenant), eq(messages.groupId, groupId)))
          .run()
      })
    },
    async resetAgent(tenant, agentId) {
      await write(() => {
        refuseBusy(agentId)
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
  if ('all' in of) return sql`heard = 0`
  if ('run' in of) return and(eq(messages.runId, of.run), sql`heard = 0`)
  if ('step' in of) return and(eq(messages.agentId, of.of), eq(messages.stepId, of.step), sql`heard = 0`)
  if (of.agent === undefined) return and(eq(messages.groupId, of.group), sql`heard = 0`)
  return and(eq(messages.agentId, of.agent), of.group === undefined ? undefined : eq(messages.groupId, of.group))
}

/** In the transaction of the caller. What is not in its agent's context, as half an answer that failed, is only listed. */
export const messageInserter = (db: Pick<Db, 'raw'>) => {
  const insert = inserter(db, messages)
  const index = searchIndex(db)
  return (tenant: string, rows: MessageRow[], inContext = true): void => {
    for (const row of rows) index.stored(insert({ ...row, tenant, inContext: inContext && !row.isErr }))
  }
}
