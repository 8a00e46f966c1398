import { and, asc, desc, eq, gt, inArray, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import type { RunStatus } from '../wire/run.ts'
import { runs } from './schema.ts'
import type { Db } from './db.ts'
import type { GroupRuns } from './store.ts'

/** A group's runs by their numbers, for its feed. */
export const groupRunQueries = ({ orm }: Db): GroupRuns => {
  const open = inArray(runs.status, ['created', 'running'] satisfies RunStatus[])
  const shown = { seq: runs.seq, id: runs.id, status: runs.status }
  const ofGroup = eq(runs.groupId, sql.placeholder('group'))
  const next = orm
    .select(shown)
    .from(runs)
    .where(and(ofGroup, gt(runs.seq, sql.placeholder('number'))))
    .orderBy(asc(runs.seq))
    .limit(1)
    .prepare()
  const latest = orm
    .select(shown)
    .from(runs)
    .where(ofGroup)
    // The lowest of those that are open, or the highest.
    .orderBy(desc(open), sql`case when ${open} then ${runs.seq} else -${runs.seq} end`)
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
