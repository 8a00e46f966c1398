import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import { isoDate } from '../wire/message.ts'
import type { RunStatus } from '../wire/run.ts'
import { approvalQueries } from './approvals.ts'
import { busyCheck } from './busy.ts'
import { appendTo } from './frames.ts'
import { insertMessages } from './messages.ts'
import { pageOf } from './page.ts'
import { showRun } from './run-state.ts'
import { agents, approvals, busy, groups, messages, runs, segments, steps } from './schema.ts'
import type { Db } from './db.ts'
import type { RunEnd, Runs } from './store.ts'

const open = ['created', 'running'] satisfies RunStatus[]

export const runQueries = (db: Db): Runs => {
  const { orm, raw, write } = db
  const refuseBusy = busyCheck(db)
  const { answer, ...approvalReads } = approvalQueries(db)
  const insertLog = raw.prepare<[string, string]>('INSERT INTO log (runs, frames) VALUES (?, ?)')
  const byId = orm
    .select()
    .from(runs)
    .where(and(eq(runs.tenant, sql.placeholder('tenant')), eq(runs.id, sql.placeholder('id'))))
    .prepare()
  const find = (tenant: string, id: string) => {
    const run = byId.get({ tenant, id })
    if (!run) throw new NotFound('run', id)
    return run
  }
  const usage = orm
    .select({ recorded: steps.recorded })
    .from(steps)
    .where(and(eq(steps.runId, sql.placeholder('run')), eq(steps.kind, 'call')))
    .prepare()
  /** One run at a time may hold a target; in the transaction of the caller. */
  const take = (targets: string[], runId: string) => {
    orm
      .insert(busy)
      .values(targets.map((target) => ({ target, runId })))
      .run()
  }
  /** What an agent shows of its last run; in the transaction of the caller. */
  const rememberRun = (agentId: string, { completedAt, durationMs, stopReason }: RunEnd) => {
    const patch = {
      last_run_completion: isoDate(completedAt),
      last_run_duration_ms: Math.round(durationMs),
      last_stop_reason: stopReason,
    }
    orm
      .update(agents)
      .set({ settings: sql`json_patch(${agents.settings}, ${JSON.stringify(patch)})` })
      .where(eq(agents.id, agentId))
      .run()
  }
  return {
    ...approvalReads,
    async admitRun(tenant, run, targets, inputs, frames, answering) {
      return write(() => {
        for (const target of targets) refuseBusy(target)
        const { seq } = orm
          .insert(runs)
          .values({ ...run, tenant, status: 'running' })
          .returning({ seq: runs.seq })
          .get()
        take(targets, run.id)
        insertMessages(db, tenant, inputs)
        answer(tenant, answering, run.id)
        return { seq, logId: appendTo(insertLog, [{ run: seq, first: 1, frames }]) }
      })
    },
    async startRun({ seq, id, tenant }, targets, inputs, frames) {
      return write(() => {
        for (const target of targets) refuseBusy(target)
        orm.update(runs).set({ status: 'running' }).where(eq(runs.id, id)).run()
        take(targets, id)
        insertMessages(db, tenant, inputs)
        return appendTo(insertLog, [{ run: seq, first: 1, frames }])
      })
    },
    async findRun(tenant, id) {
      return find(tenant, id)
    },
    async showRun(tenant, id) {
      return showRun(find(tenant, id))
    },
    async listRuns(tenant, query) {
      const statuses = query.statuses ?? (query.active ? open : undefined)
      const agentIds = query.agent_id ? [query.agent_id] : query.agent_ids
      const where = and(
        agentIds && inArray(runs.agentId, agentIds),
        query.group_id === undefined ? undefined : eq(runs.groupId, query.group_id),
        statuses && inArray(runs.status, statuses),
        query.background === undefined ? undefined : eq(runs.background, query.background),
        query.stop_reason && eq(runs.stopReason, query.stop_reason),
        // No run belongs to a conversation yet but the agent's own, `default`.
        query.conversation_id === undefined || query.conversation_id === 'default' ? undefined : sql`false`,
      )
      return pageOf(db, runs, tenant, where, query).map(showRun)
    },
    async usageOf(tenant, runId) {
      find(tenant, runId)
      return usage.all({ run: runId }).map(({ recorded }) => recorded.usage)
    },
    async openRuns() {
      return orm.select().from(runs).where(inArray(runs.status, open)).orderBy(asc(runs.seq)).all()
    },
    async journalOf(runIds) {
      return orm
        .select()
        .from(steps)
        .where(and(inArray(steps.runId, runIds), eq(steps.status, 'success')))
        .orderBy(asc(steps.seq))
        .all()
    },
    async commitStep(step, rows, frames, pending) {
      return write(() => {
        orm.insert(steps).values(step).run()
        insertMessages(db, step.tenant, rows)
        if (pending)
          orm
            .insert(approvals)
            .values({ ...pending, tenant: step.tenant, status: 'pending' })
            .run()
        return frames ? appendTo(insertLog, [frames]) : 0
      })
    },
    async endRun(runId, end, last, after) {
      return write(() => {
        const ended = orm
          .update(runs)
          .set(end)
          .where(and(eq(runs.id, runId), inArray(runs.status, open)))
          .returning({ tenant: runs.tenant, agentId: runs.agentId })
          .get()
        if (!ended) return false
        rememberRun(ended.agentId, end)
        orm.insert(segments).values(last).run()
        orm.delete(busy).where(eq(busy.runId, runId)).run()
        if (after) {
          const { id, ...counted } = after.group
          orm.update(groups).set(counted).where(eq(groups.id, id)).run()
          if (after.evicted.length > 0) {
            orm.update(messages).set({ inContext: false }).where(inArray(messages.id, after.evicted)).run()
          }
          for (const run of after.runs) {
            orm
              .insert(runs)
              .values({ ...run, tenant: ended.tenant, status: 'created' })
              .run()
          }
        }
        return true
      })
    },
  }
}
