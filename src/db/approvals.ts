import { and, desc, eq, inArray } from 'drizzle-orm'
import { Conflict } from '../errors.ts'
import { messageInserter } from './messages.ts'
import { reader } from './reader.ts'
import { approvals, runs } from './schema.ts'
import type { Db } from './db.ts'
import type { Runs } from './store.ts'

type Verbs = Pick<Runs, 'pendingApprovals' | 'answeredBy' | 'cancelApprovals'> & {
  /** Marks the approvals as answered by a run, in the transaction of the caller. @throws {Conflict} when somebody else was first */
  answer(tenant: string, ids: string[], runId: string): void
  /** A run that goes no further waits for nothing; in the transaction of the caller. */
  giveUpWaiting(runId: string): void
}

/** Steps that wait for an answer from outside (streaming.md §7). */
export const approvalQueries = (db: Db): Verbs => {
  const { orm, raw, write } = db
  const insertMessages = messageInserter(db)
  const settle = (tenant: string, ids: string[], to: { status: 'answered' | 'cancelled'; answeredBy?: string }) => {
    const { changes } = orm
      .update(approvals)
      .set(to)
      .where(and(eq(approvals.tenant, tenant), inArray(approvals.id, ids), eq(approvals.status, 'pending')))
      .run()
    if (changes !== ids.length) throw new Conflict('CONFLICT: These calls were answered by somebody else just now')
  }
  const scoped = (tenant: string, of: { group: string } | { agent: string } | { run: string }) =>
    and(
      eq(approvals.tenant, tenant),
      'group' in of
        ? eq(approvals.groupId, of.group)
        : 'agent' in of
          ? eq(approvals.agentId, of.agent)
          : eq(approvals.runId, of.run),
    )
  const pending = (column: string) =>
    reader(db, approvals, `WHERE tenant = +? AND ${column} = +? AND status = 'pending' ORDER BY seq`)
  const ofGroup = pending('group_id')
  const ofAgent = pending('agent_id')
  const ofRun = pending('run_id')
  const giveUp = raw.prepare<[string]>(`UPDATE approvals SET status = 'cancelled' WHERE run_id = ? AND status = 'pending'`)
  return {
    giveUpWaiting: (run) => void giveUp.run(run),
    answer(tenant, ids, runId) {
      if (ids.length > 0) settle(tenant, ids, { status: 'answered', answeredBy: runId })
    },
    async pendingApprovals(tenant, of) {
      if ('group' in of) return ofGroup.all(tenant, of.group)
      return 'agent' in of ? ofAgent.all(tenant, of.agent) : ofRun.all(tenant, of.run)
    },
    async answeredBy(tenant, of, callIds) {
      const rows = orm
        .select()
        .from(approvals)
        .where(and(scoped(tenant, of), eq(approvals.status, 'answered')))
        .orderBy(desc(approvals.seq))
        .limit(50)
        .all()
      const wanted = new Set(callIds)
      const found = [...Map.groupBy(rows, ({ answeredBy }) => answeredBy)].find(([, answered]) => {
        const given = new Set(answered.flatMap(({ calls }) => calls.map(({ id }) => id)))
        if (wanted.symmetricDifference(given).size === 0) return true
        // The deprecated way names the message that asked.
        return answered.length === 1 && given.size === 1 && wanted.size === 1 && wanted.has(answered[0]!.id)
      })
      return found?.[0] ?? undefined
    },
    async cancelApprovals(tenant, ids, rows) {
      await write(() => {
        settle(tenant, ids, { status: 'cancelled' })
        const waiting = orm.select({ runId: approvals.runId }).from(approvals).where(inArray(approvals.id, ids))
        orm.update(runs).set({ status: 'cancelled', stopReason: 'cancelled' }).where(inArray(runs.id, waiting)).run()
        insertMessages(tenant, rows)
      })
    },
  }
}
