import { and, count, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { Conflict, InvalidArgument, NotFound } from '../errors.ts'
import type { ListGroupsQuery, ManagerType } from '../wire/group.ts'
import { newId } from '../wire/id.ts'
import { blockLinks } from './block-links.ts'
import { busyCheck } from './busy.ts'
import { changedConfig, columnsOf } from './group-config.ts'
import { groupSharing, type Sharing } from './group-sharing.ts'
import { groupReads, type GroupRow } from './group-state.ts'
import { shown } from './match.ts'
import { pageOf } from './page.ts'
import { agents, groupBlocks, groupMembers, groups } from './schema.ts'
import type { Db } from './db.ts'
import type { Groups } from './store.ts'

export const groupQueries = (db: Db): Groups => {
  const { orm } = db
  const { findRow, membersOf, sharedBy, toGroup } = groupReads(db)
  const reshare = groupSharing(db)
  const links = blockLinks(db)
  const refuseBusy = busyCheck(db)
  const sharingOf = (row: GroupRow): Sharing => ({
    agents: [...new Set([...membersOf(row.id), ...(row.managerAgentId === null ? [] : [row.managerAgentId])])],
    blocks: sharedBy(row.id),
  })

  return {
    async createGroup(tenant, { agent_ids, description, manager_config, project_id, shared_block_ids, hidden }) {
      return db.write(() => {
        const { manager_type: managerType } = manager_config
        const columns = columnsOf(manager_config)
        checkMembers(tenant, managerType, agent_ids)
        if (columns.managerAgentId !== null) checkManager(tenant, columns.managerAgentId)
        const row = orm
          .insert(groups)
          .values({
            ...columns,
            id: newId('group'),
            tenant,
            managerType,
            description,
            projectId: project_id ?? null,
            hidden: hidden ?? null,
            turnsCounter: columns.sleeptimeAgentFrequency ? -1 : null,
            createdAt: Date.now(),
          })
          .returning()
          .get()
        setMembers(row.id, agent_ids)
        setBlocks(tenant, row.id, shared_block_ids)
        reshare(tenant, row.id, { agents: [], blocks: [] }, sharingOf(row))
        return toGroup(row)
      })
    },
    async findGroup(tenant, id) {
      return toGroup(findRow(tenant, id))
    },
    async listGroups(tenant, query) {
      return pageOf(db, groups, tenant, asked(query), query).map(toGroup)
    },
    async countGroups(tenant) {
      const where = and(eq(groups.tenant, tenant), shown(groups.hidden))
      return orm.select({ n: count() }).from(groups).where(where).get()!.n
    },
    async updateGroup(tenant, id, update) {
      return db.write(() => {
        const row = findRow(tenant, id)
        const before = sharingOf(row)
        const columns = update.manager_config && columnsOf(changedConfig(row, update.manager_config))
        if (update.agent_ids) checkMembers(tenant, row.managerType, update.agent_ids)
        const manager = columns?.managerAgentId ?? row.managerAgentId
        if (manager !== null && manager !== row.managerAgentId) checkManager(tenant, manager)
        const change = {
          ...columns,
          description: update.description ?? row.description,
          projectId: update.project_id,
          hidden: update.hidden,
          turnsCounter: columns?.sleeptimeAgentFrequency ? (row.turnsCounter ?? -1) : undefined,
        }
        const changed = orm.update(groups).set(change).where(eq(groups.id, id)).returning().get()
        if (update.agent_ids) setMembers(id, update.agent_ids)
        if (update.shared_block_ids) setBlocks(tenant, id, update.shared_block_ids)
        reshare(tenant, id, before, sharingOf(changed))
        return toGroup(changed)
      })
    },
    async deleteGroup(tenant, id) {
      await db.write(() => {
        const row = findRow(tenant, id)
        refuseBusy(id)
        orm.delete(groups).where(eq(groups.id, id)).run()
        if (row.managerType === 'sleeptime' || row.managerType === 'voice_sleeptime') clearSleeptime(row.managerAgentId!)
      })
    },
    async attachGroupBlock(tenant, groupId, blockId) {
      await db.write(() => {
        const row = findRow(tenant, groupId)
        const before = sharingOf(row)
        links.findLinkable(tenant, blockId)
        orm.insert(groupBlocks).values({ groupId, blockId }).onConflictDoNothing().run()
        reshare(tenant, groupId, before, sharingOf(row))
      })
    },
    async detachGroupBlock(tenant, groupId, blockId) {
      await db.write(() => {
        const row = findRow(tenant, groupId)
        const before = sharingOf(row)
        links.findLinkable(tenant, blockId)
        orm
          .delete(groupBlocks)
          .where(and(eq(groupBlocks.groupId, groupId), eq(groupBlocks.blockId, blockId)))
          .run()
        reshare(tenant, groupId, before, sharingOf(row))
      })
    },
    async groupsOfAgent(tenant, agentId, query) {
      requireAgents(tenant, [agentId])
      const its = orm.select({ id: groupMembers.groupId }).from(groupMembers).where(eq(groupMembers.agentId, agentId))
      return pageOf(db, groups, tenant, and(inArray(groups.id, its), asked(query)), query).map(toGroup)
    },
  }
  /** Only in a round does an agent speak several times (design §5 row 34); a manager that picks by name needs different ones. */
  function checkMembers(tenant: string, managerType: ManagerType, ids: string[]) {
    const unique = new Set(ids)
    if (unique.size < ids.length && managerType !== 'round_robin')
      throw new InvalidArgument('Duplicate agent ids found in list')
    const names = requireAgents(tenant, [...unique])
    if (managerType === 'dynamic' && new Set(names).size < unique.size) {
      throw new InvalidArgument('Duplicate agent names found in the provided agent IDs.')
    }
  }

  /** An agent manages one group at most (groups.md G-39). */
  function checkManager(tenant: string, agentId: string) {
    requireAgents(tenant, [agentId])
    const other = orm.select({ id: groups.id }).from(groups).where(eq(groups.managerAgentId, agentId)).get()
    if (other)
      throw new Conflict(`Agent ${agentId} already manages ${other.id}: take another agent, or delete that group first`)
  }

  /** @returns their names */
  function requireAgents(tenant: string, ids: string[]): string[] {
    const where = and(eq(agents.tenant, tenant), inArray(agents.id, ids))
    const names = new Map(
      orm
        .select({ id: agents.id, name: agents.name })
        .from(agents)
        .where(where)
        .all()
        .map(({ id, name }) => [id, name]),
    )
    return ids.map((id) => {
      const name = names.get(id)
      if (name === undefined) throw new NotFound('agent', id)
      return name
    })
  }

  function setMembers(groupId: string, ids: string[]) {
    orm.delete(groupMembers).where(eq(groupMembers.groupId, groupId)).run()
    const rows = ids.map((agentId, position) => ({ groupId, agentId, position }))
    if (rows.length > 0) orm.insert(groupMembers).values(rows).run()
  }

  function setBlocks(tenant: string, groupId: string, ids: string[]) {
    orm.delete(groupBlocks).where(eq(groupBlocks.groupId, groupId)).run()
    const rows = [...new Set(ids)].map((id) => ({ groupId, blockId: links.findLinkable(tenant, id).id }))
    if (rows.length > 0) orm.insert(groupBlocks).values(rows).run()
  }

  /** Without its group an agent has nobody to work in the background (groups.md G-38). */
  function clearSleeptime(agentId: string) {
    const settings = sql`json_set(${agents.settings}, '$.enable_sleeptime', json('null'))`
    orm.update(agents).set({ settings }).where(eq(agents.id, agentId)).run()
  }
}

/** The filters of groups.md §2.4. */
function asked(query: ListGroupsQuery): SQL | undefined {
  return and(
    query.show_hidden_groups ? undefined : shown(groups.hidden),
    query.manager_type === undefined ? undefined : eq(groups.managerType, query.manager_type),
    query.project_id === undefined ? undefined : eq(groups.projectId, query.project_id),
  )
}
