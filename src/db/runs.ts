import { and, asc, eq, gt, inArray, lt, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import { isoDate } from '../wire/message.ts'
import type { RunStatus } from '../wire/run.ts'
import { approvalQueries } from './approvals.ts'
import { busyCheck } from './busy.ts'
import { appendTo } from './frames.ts'
import { inserter } from './inserter.ts'
import { messageInserter } from './messages.ts'
import { charger } from './spending.ts'
import { pageOf } from './page.ts'
import { reader } from './reader.ts'
import { showRun } from './run-state.ts'
import { approvals, busy, groups, messages, requestKeys, runs, segments, steps } from './schema.ts'
import type { Db } from './db.ts'
import type { RequestKey, RunEnd, Runs } from './store.ts'

const open = ['created', 'running'] satisfies RunStatus[]

/** How long the key of a request is known. */
const KEY_MS = 24 * 3600 * 1000

export const runQueries = (db: Db): Runs => {
  const { orm, raw, write } = db
  const refuseBusy = busyCheck(db)
  const { answer, giveUpWaiting, ...approvalReads } = approvalQueries(db)
  const insertRun = inserter(db, runs)
  const insertBusy = inserter(db, busy)
  const insertMessages = messageInserter(db)
  const insertStep = inserter(db, steps)
  const insertSegment = inserter(db, segments)
  const insertLog = raw.prepare<[string, string]>('INSERT INTO log (runs, frames) VALUES (?, ?)')
  const byId = reader(db, runs, 'WHERE tenant = ? AND id = ?')
  const find = (tenant: string, id: string) => {
    const run = byId.get(tenant, id)
    if (!run) throw new NotFound('run', id)
    return run
  }
  const usage = orm
    .select({ recorded: steps.recorded })
    .from(steps)
    .where(and(eq(steps.runId, sql.placeholder('run')), eq(steps.kind, 'call')))
    .prepare()
  const stepsOf = reader(db, steps, 'WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY seq')
  const byKey = orm
    .select({ runId: requestKeys.runId, hash: requestKeys.hash })
    .from(requestKeys)
    .where(
      and(
        eq(requestKeys.tenant, sql.placeholder('tenant')),
        eq(requestKeys.target, sql.placeholder('target')),
        eq(requestKeys.key, sql.placeholder('key')),
        gt(requestKeys.createdAt, sql.placeholder('since')),
      ),
    )
    .prepare()
  /** In the transaction of the caller; what is too old goes. */
  const keep = (tenant: string, key: RequestKey, runId: string) => {
    const createdAt = Date.now()
    orm
      .delete(requestKeys)
      .where(lt(requestKeys.createdAt, createdAt - KEY_MS))
      .run()
    orm
      .insert(requestKeys)
      .values({ ...key, tenant, runId, createdAt })
      .run()
  }
  /** One run at a time may hold a target; in the transaction of the caller. */
  const take = (targets: string[], runId: string) => {
    for (const target of targets) insertBusy({ target, runId })
  }
  const charge = charger(db)
  const lastBegun = raw.prepare<[], number>('SELECT coalesce(max(begun), 0) FROM runs').pluck()
  /** The number of the run that begins next; in the transaction of the caller. */
  const nextBegun = () => lastBegun.get()! + 1
  const finish = raw.prepare<[object], { tenant: string; agentId: string; payer: string | null; begun: number | null }>(
    `UPDATE runs SET status = @status, stop_reason = @stopReason, ended_by = @endedBy, error = @error, completed_at = @completedAt,
     first_frame_ms = @firstFrameMs, duration_ms = @durationMs, epoch = NULL
     WHERE id = @id AND status IN ('created', 'running') RETURNING tenant, agent_id AS agentId, payer, begun`,
  )
  const setBegun = raw.prepare<[number, string]>('UPDATE runs SET begun = ? WHERE id = ?')
  const release = raw.prepare<[string]>('DELETE FROM busy WHERE run_id = ?')
  const countOpen = raw.prepare<[string], { total: number; own: number }>(
    `SELECT count(*) AS total, coalesce(sum(tenant = ?), 0) AS own FROM runs WHERE status IN ('created', 'running')`,
  )
  const forgetCrashes = raw.prepare<[string]>('UPDATE runs SET crashes = 0 WHERE id = ? AND crashes > 0')
  const patchSettings = raw.prepare<[string, string]>('UPDATE agents SET settings = json_patch(settings, ?) WHERE id = ?')
  /** What an agent shows of its last run; in the transaction of the caller. */
  const rememberRun = (agentId: string, { completedAt, durationMs, stopReason }: RunEnd) => {
    const patch = {
      last_run_completion: isoDate(completedAt),
      last_run_duration_ms: Math.round(durationMs),
      last_stop_reason: stopReason,
    }
    patchSettings.run(JSON.stringify(patch), agentId)
  }
  return {
    ...approvalReads,
    async admitRun(tenant, run, { targets, inputs, frames, answering, key, waits }) {
      return write(() => {
        for (const target of targets) refuseBusy(target)
        const begins = waits
          ? { status: 'created' as const }
          : { status: 'running' as const, epoch: db.epoch, begun: nextBegun() }
        const seq = insertRun({ ...run, tenant, ...begins })
        take(targets, run.id)
        insertMessages(tenant, inputs)
        answer(tenant, answering, run.id)
        if (key) keep(tenant, key, run.id)
        return { seq, logId: appendTo(insertLog, [{ run: seq, first: 1, count: frames.length, frames: frames.join('') }]) }
      })
    },
    async startRun({ id, tenant, admission }, targets, inputs) {
      await write(() => {
        for (const target of targets) refuseBusy(target)
        orm.update(runs).set({ status: 'running', admission, epoch: db.epoch, begun: nextBegun() }).where(eq(runs.id, id)).run()
        take(targets, id)
        insertMessages(tenant, inputs)
      })
    },
    async runOfKey(tenant, { target, key }) {
      return byKey.get({ tenant, target, key, since: Date.now() - KEY_MS })
    },
    async withdrawMessages(tenant, runId) {
      await write(() =>
        orm
          .delete(messages)
          .where(and(eq(messages.tenant, tenant), eq(messages.runId, runId)))
          .run(),
      )
    },
    async countOpenRuns(tenant) {
      return countOpen.get(tenant)!
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
    async takeOverRuns() {
      return write(() => {
        orm
          .update(runs)
          .set({ epoch: db.epoch, crashes: sql`crashes + (epoch IS NOT NULL)` })
          .where(eq(runs.status, 'running'))
          .run()
        return orm.select().from(runs).where(inArray(runs.status, open)).orderBy(asc(runs.seq)).all()
      })
    },
    async journalOf(runIds) {
      return stepsOf.all(JSON.stringify(runIds))
    },
    async commitStep(step, rows, frames, pending) {
      return write(() => {
        insertStep(step)
        forgetCrashes.run(step.runId)
        insertMessages(step.tenant, rows)
        if (pending)
          orm
            .insert(approvals)
            .values({ ...pending, tenant: step.tenant, status: 'pending' })
            .run()
        return frames ? appendTo(insertLog, [frames]) : 0
      })
    },
    async endRun(runId, end, last, { after, closing = [], unsaid = [] } = {}) {
      return write(() => {
        const ended = finish.get({ ...end, error: end.error && JSON.stringify(end.error), id: runId })
        if (!ended) return false
        // One that was cancelled in line has its place where it ends.
        if (ended.begun === null) setBegun.run(nextBegun(), runId)
        rememberRun(ended.agentId, end)
        if (ended.payer !== null) charge(ended.payer, runId, end.completedAt)
        insertSegment(last)
        release.run(runId)
        if (end.stopReason !== 'requires_approval') giveUpWaiting(runId)
        insertMessages(ended.tenant, closing)
        insertMessages(ended.tenant, unsaid, false)
        if (after) {
          const { id, ...counted } = after.group
          orm.update(groups).set(counted).where(eq(groups.id, id)).run()
          if (after.evicted.length > 0) {
            orm.update(messages).set({ inContext: false }).where(inArray(messages.id, after.evicted)).run()
          }
          for (const run of after.runs) {
            orm
              .insert(runs)
              .values({ ...run, tenant: ended.tenant, payer: ended.payer, status: 'created' })
              .run()
          }
        }
        return true
      })
    },
  }
}
