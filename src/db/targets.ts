import { and, desc, eq } from 'drizzle-orm'
import { shown } from './match.ts'
import { agents, groups } from './schema.ts'
import type { Db } from './db.ts'
import type { Targets } from './store.ts'

/** Groups and agents, as what can be talked to. */
export const targetQueries = ({ orm }: Db): Targets => {
  const ofAgent = { id: agents.id, name: agents.name, createdAt: agents.createdAt }
  const ofGroup = { id: groups.id, name: groups.description, createdAt: groups.createdAt }
  return {
    async listTargets(tenant, limit) {
      const its = orm
        .select(ofGroup)
        .from(groups)
        .where(and(eq(groups.tenant, tenant), shown(groups.hidden)))
        .orderBy(desc(groups.seq))
        .limit(limit)
        .all()
      const alone = orm
        .select(ofAgent)
        .from(agents)
        .where(and(eq(agents.tenant, tenant), shown(agents.hidden)))
        .orderBy(desc(agents.seq))
        .limit(limit)
        .all()
      return [...its, ...alone]
    },
    async targetsNamed(tenant, name) {
      const its = orm
        .select(ofGroup)
        .from(groups)
        .where(and(eq(groups.tenant, tenant), eq(groups.description, name)))
        .limit(2)
        .all()
      const alone = orm
        .select(ofAgent)
        .from(agents)
        .where(and(eq(agents.tenant, tenant), eq(agents.name, name)))
        .limit(2)
        .all()
      return [...its, ...alone]
    },
    async findTarget(tenant, id) {
      const group = orm
        .select(ofGroup)
        .from(groups)
        .where(and(eq(groups.tenant, tenant), eq(groups.id, id)))
        .get()
      return (
        group ??
        orm
          .select(ofAgent)
          .from(agents)
          .where(and(eq(agents.tenant, tenant), eq(agents.id, id)))
          .get()
      )
    },
  }
}
