import { and, eq, gte, inArray, isNotNull, isNull, lte, sql } from 'drizzle-orm'
import { Conflict, NotFound } from '../errors.ts'
import type { RunStatus } from '../wire/run.ts'
import { unmatched } from './match.ts'
import { pageOf } from './page.ts'
import { showRunMetrics, showStep, showStepMetrics } from './run-state.ts'
import { approvals, runs, steps, tools } from './schema.ts'
import type { Db } from './db.ts'
import type { Steps } from './store.ts'

/** What runs leave behind: their model calls, how long they took, and how they go. */
export const stepQueries = (db: Db): Steps => {
  const { orm, write } = db
  const open = ['created', 'running'] satisfies RunStatus[]
  const calls = eq(steps.kind, 'call')

  return {
    async listSteps(tenant, query) {
      const { start_date: from, end_date: to, has_feedback: judged } = query
      const where = and(
        calls,
        from === undefined ? undefined : gte(steps.createdAt, from),
        to === undefined ? undefined : lte(steps.createdAt, to),
        query.agent_id === undefined ? undefined : eq(steps.agentId, query.agent_id),
        query.model === undefined ? undefined : eq(sql`json_extract(${steps.recorded}, '$.model')`, query.model),
        query.feedback === undefined ? undefined : eq(steps.feedback, query.feedback),
        judged === undefined ? undefined : judged ? isNotNull(steps.feedback) : isNull(steps.feedback),
        query.tags &&
          sql`exists (select 1 from json_each(${steps.tags}) where value in (select value from json_each(${JSON.stringify(query.tags)})))`,
        unmatched(query.trace_ids, query.project_id),
      )
      return pageOf(db, steps, tenant, where, query).map(showStep)
    },
    async stepsOfRun(tenant, runId, page) {
      findRun(tenant, runId)
      return pageOf(db, steps, tenant, and(eq(steps.runId, runId), calls), page).map(showStep)
    },
    async findStep(tenant, id) {
      return showStep(findStep(tenant, id))
    },
    async metricsOfStep(tenant, id) {
      return showStepMetrics(findStep(tenant, id))
    },
    async judgeStep(tenant, id, { feedback, tags }) {
      return await write(() => {
        const known = findStep(tenant, id)
        const change = {
          feedback: feedback === undefined ? known.feedback : feedback,
          tags: tags === undefined ? known.tags : tags,
        }
        orm.update(steps).set(change).where(eq(steps.seq, known.seq)).run()
        return showStep({ ...known, ...change })
      })
    },
    async metricsOfRun(tenant, runId) {
      const run = findRun(tenant, runId)
      const made = orm
        .select({ recorded: steps.recorded })
        .from(steps)
        .where(and(eq(steps.runId, runId), calls))
        .all()
      const names = [...new Set(made.flatMap(({ recorded }) => recorded.calls.map(({ name }) => name)))]
      const used = orm
        .select({ id: tools.id })
        .from(tools)
        .where(and(eq(tools.tenant, tenant), inArray(tools.name, names)))
        .all()
      return showRunMetrics(run, { steps: made.length, tools: used.map(({ id }) => id) })
    },
    async deleteRun(tenant, runId) {
      await write(() => {
        const { status } = findRun(tenant, runId)
        if (status === 'created' || status === 'running') {
          throw new Conflict(`CONFLICT: ${runId} has not ended: cancel it before you delete it`)
        }
        // Its steps are those of the run that took it up, too.
        const needed = orm
          .select({ status: approvals.status, answeredBy: runs.id })
          .from(approvals)
          .leftJoin(runs, and(eq(runs.id, approvals.answeredBy), inArray(runs.status, open)))
          .where(eq(approvals.runId, runId))
          .all()
        for (const approval of needed) {
          if (approval.status === 'pending') {
            throw new Conflict(`CONFLICT: Calls of ${runId} wait for an answer: answer them or cancel it before you delete it`)
          }
          if (approval.answeredBy !== null) {
            throw new Conflict(`CONFLICT: ${runId} is taken up by ${approval.answeredBy}, which has not ended`)
          }
        }
        orm.delete(runs).where(eq(runs.id, runId)).run()
      })
    },
  }

  function findStep(tenant: string, id: string) {
    const step = orm
      .select()
      .from(steps)
      .where(and(eq(steps.tenant, tenant), eq(steps.id, id), calls))
      .get()
    if (!step) throw new NotFound('step', id)
    return step
  }

  function findRun(tenant: string, id: string) {
    const run = orm
      .select({
        id: runs.id,
        agentId: runs.agentId,
        status: runs.status,
        createdAt: runs.createdAt,
        durationMs: runs.durationMs,
      })
      .from(runs)
      .where(and(eq(runs.tenant, tenant), eq(runs.id, id)))
      .get()
    if (!run) throw new NotFound('run', id)
    return run
  }
}
