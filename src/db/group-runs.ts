import { and, asc, desc, eq, gt, isNotNull, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import { runs } from './schema.ts'
import type { Db } from './db.ts'
import type { GroupRuns } from './store.ts'

/** A group's runs in the order in which they began, for its feed. */
export const groupRunQueries = ({ orm }: Db): GroupRuns => {
  const shown = { seq: runs.seq, id: runs.id, status: runs.status }
  const ofGroup = eq(runs.groupId, sql.placeholder('group'))
  // The run of that number, or what came before it when it has not begun.
  const after = sql`coalesce(
    (SELECT begun FROM runs WHERE seq = ${sql.placeholder('number')}),
    (SELECT max(begun) FROM runs WHERE group_id = ${sql.placeholder('group')} AND seq < ${sql.placeholder('number')}),
    0)`
  const next = orm
    .select(shown)
    .from(runs)
    .where(and(ofGroup, gt(runs.begun, after)))
    .orderBy(asc(runs.begun))
    .limit(1)
    .prepare()
  // The one that goes on began last: one run at a time holds a group.
  const latest = orm
    .select(shown)
    .from(runs)
    .where(and(ofGroup, isNotNull(runs.begun)))
    .orderBy(desc(runs.begun))
    .limit(1)
    .prepare()
  return {
    async findGroupRun(tenant, groupId, number) {
      const ofTenant = and(eq(runs.tenant, tenant), eq(runs.groupId, groupId), eq(runs.seq, number))
      const run = orm.select(shown).from(runs).where(ofTenant).get()
      if (!run) throw new NotFound('run of this group', String(number))
      return run
    },
    async nextGroupRun(groupId, number) {
      return next.get({ group: groupId, number })
    },
    async currentGroupRun(groupId) {
      return latest.get({ group: groupId })
    },
  }
}
