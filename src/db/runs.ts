import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import type { RunStatus } from '../wire/run.ts'
import { appendTo } from './frames.ts'
import { insertMessages, refuseWhileBusy } from './messages.ts'
import { pageOf } from './page.ts'
import { showRun, showStep } from './run-state.ts'
import { busy, runs, segments, steps } from './schema.ts'
import type { Db } from './sqlite.ts'
import type { Runs } from './store.ts'

const open = ['created', 'running'] satisfies RunStatus[]

export const runQueries = (db: Db): Runs => {
  const { orm, raw, write } = db
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
    .where(eq(steps.runId, sql.placeholder('run')))
    .prepare()
  return {
    async admitRun(tenant, run, targets, inputs, frames) {
      return write(() => {
        for (const target of targets) refuseWhileBusy(db, target)
        const { seq } = orm
          .insert(runs)
          .values({ ...run, tenant, status: 'running' })
          .returning({ seq: runs.seq })
          .get()
        orm
          .insert(busy)
          .values(targets.map((target) => ({ target, runId: run.id })))
          .run()
        insertMessages(db, tenant, inputs)
        return { seq, logId: appendTo(insertLog, [{ run: seq, first: 1, frames }]) }
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
    async listSteps(tenant, runId, page) {
      find(tenant, runId)
      return pageOf(db, steps, tenant, eq(steps.runId, runId), page).map(showStep)
    },
    async usageOf(tenant, runId) {
      find(tenant, runId)
      return usage.all({ run: runId }).map(({ recorded }) => recorded.usage)
    },
    async openRuns() {
      return orm.select().from(runs).where(inArray(runs.status, open)).orderBy(asc(runs.seq)).all()
    },
    async journalOf(runId) {
      return orm
        .select()
        .from(steps)
        .where(and(eq(steps.runId, runId), eq(steps.status, 'success')))
        .orderBy(asc(steps.seq))
        .all()
    },
    async commitStep(step, rows, frames) {
      return write(() => {
        orm.insert(steps).values(step).run()
        insertMessages(db, step.tenant, rows)
        return frames ? appendTo(insertLog, [frames]) : 0
      })
    },
    async endRun(runId, end, last) {
      return write(() => {
        const ended = orm
          .update(runs)
          .set(end)
          .where(and(eq(runs.id, runId), inArray(runs.status, open)))
          .run()
        if (ended.changes === 0) return false
        orm.insert(segments).values(last).run()
        orm.delete(busy).where(eq(busy.runId, runId)).run()
        return true
      })
    },
  }
}
