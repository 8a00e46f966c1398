import { and, asc, count, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { Conflict, InvalidArgument, NotFound } from '../errors.ts'
import type { ListAgentsQuery } from '../wire/agent.ts'
import type { ManagerType } from '../wire/group.ts'
import { changedSettings, newSettings, secretsOf } from './agent-settings.ts'
import { agentReads } from './agent-state.ts'
import { withApproval } from './approval-rule.ts'
import { blockLinks } from './block-links.ts'
import { newBlockRow } from './block-rows.ts'
import { busyCheck } from './busy.ts'
import { contains, shown, unmatched } from './match.ts'
import { pageOf } from './page.ts'
import { agentBlocks, agents, agentTags, agentTools, blocks, groupMembers, groups, messages, tools } from './schema.ts'
import type { Db } from './db.ts'
import type { Agents } from './store.ts'

/** Whose members work in the background. */
const background = new Set<ManagerType>(['sleeptime', 'voice_sleeptime'])

const orders: Record<ListAgentsQuery['order_by'], SQL | undefined> = {
  created_at: undefined,
  updated_at: sql`${agents.updatedAt}`,
  last_run_completion: sql`json_extract(${agents.settings}, '$.last_run_completion')`,
}

export const agentQueries = (db: Db): Agents => {
  const { orm } = db
  const reads = agentReads(db)
  const links = blockLinks(db)
  const refuseBusy = busyCheck(db)

  return {
    async createAgent(tenant, agent) {
      return db.write(() => {
        const { id, create } = agent
        const now = Date.now()
        orm
          .insert(agents)
          .values({
            id,
            tenant,
            name: agent.name,
            settings: newSettings(agent),
            secrets: secretsOf(create),
            hidden: create.hidden ?? null,
            createdAt: now,
            updatedAt: now,
          })
          .run()
        setTags(id, create.tags)
        for (const block of create.memory_blocks) {
          const row = newBlockRow(tenant, block)
          orm.insert(blocks).values(row).run()
          links.link(id, { id: row.id, label: block.label })
        }
        for (const blockId of create.block_ids) links.link(id, links.findLinkable(tenant, blockId))
        const names = [...agent.baseTools, ...create.tools]
        const known = toolsNamed(tenant, names)
        const missing = create.tools.find((name) => !known.has(name))
        if (missing !== undefined) throw new NotFound('tool', missing)
        addTools(tenant, id, [...names.flatMap((name) => known.get(name) ?? []), ...create.tool_ids])
        const first = agent.firstMessage(reads.toState(reads.findRow(tenant, id)))
        orm
          .insert(messages)
          .values({ tenant, ...first })
          .run()
        return reads.toState(reads.findRow(tenant, id))
      })
    },
    async findAgent(tenant, id) {
      return reads.toState(reads.findRow(tenant, id))
    },
    async findSpeaker(tenant, id) {
      return reads.toSpeaker(reads.findRow(tenant, id))
    },
    async findAgentName(tenant, id) {
      return reads.findName(tenant, id)
    },
    async listAgents(tenant, query) {
      return pageOf(db, agents, tenant, asked(query), query, orders[query.order_by]).map((row) => reads.toState(row))
    },
    async agentsOfBlock(tenant, blockId, page) {
      links.findLinkable(tenant, blockId)
      const its = orm.select({ id: agentBlocks.agentId }).from(agentBlocks).where(eq(agentBlocks.blockId, blockId))
      return pageOf(db, agents, tenant, inArray(agents.id, its), page).map((row) => reads.toState(row))
    },
    async countAgents(tenant, query) {
      const where = and(eq(agents.tenant, tenant), asked(query))
      return orm.select({ n: count() }).from(agents).where(where).get()!.n
    },
    async updateAgent(tenant, id, update, model) {
      return db.write(() => {
        const row = reads.findRow(tenant, id)
        const hasSecrets = update.secrets !== undefined || update.tool_exec_environment_variables !== undefined
        const change = {
          name: update.name,
          settings: changedSettings(row.settings, update, model),
          secrets: hasSecrets ? secretsOf(update) : undefined,
          hidden: update.hidden,
          updatedAt: Date.now(),
        }
        orm.update(agents).set(change).where(eq(agents.id, id)).run()
        if (update.tags) setTags(id, update.tags)
        if (update.block_ids) {
          links.unlinkAll(id)
          for (const blockId of update.block_ids) links.link(id, links.findLinkable(tenant, blockId))
        }
        if (update.tool_ids) {
          orm.delete(agentTools).where(eq(agentTools.agentId, id)).run()
          addTools(tenant, id, update.tool_ids)
        }
        if (update.message_ids) setContext(id, update.message_ids)
        return reads.toState(reads.findRow(tenant, id))
      })
    },
    async deleteAgent(tenant, id) {
      await db.write(() => {
        reads.findRow(tenant, id)
        refuseBusy(id)
        const managed = orm.select().from(groups).where(eq(groups.managerAgentId, id)).get()
        if (managed && !background.has(managed.managerType)) {
          throw new Conflict(`Agent ${id} manages ${managed.id}: delete the group or give it another manager first`)
        }
        // An agent and those that work for it in the background go together (groups.md §4.2.5).
        const helpers = managed ? removeGroup(managed.id) : []
        for (const group of backgroundGroupsOf(id)) removeGroup(group)
        for (const one of [id, ...helpers]) {
          leaveGroups(one)
          orm.delete(agents).where(eq(agents.id, one)).run()
        }
      })
    },
  }

  /** @returns who was in it */
  function removeGroup(groupId: string): string[] {
    refuseBusy(groupId)
    const members = orm.select().from(groupMembers).where(eq(groupMembers.groupId, groupId)).all()
    const [row] = orm.delete(groups).where(eq(groups.id, groupId)).returning().all()
    const settings = sql`json_set(${agents.settings}, '$.enable_sleeptime', json('null'))`
    if (row?.managerAgentId) orm.update(agents).set({ settings }).where(eq(agents.id, row.managerAgentId)).run()
    return [...new Set(members.map(({ agentId }) => agentId))]
  }

  /** The groups in which an agent works in the background. */
  function backgroundGroupsOf(agentId: string): string[] {
    return orm
      .select({ id: groups.id, type: groups.managerType })
      .from(groupMembers)
      .innerJoin(groups, eq(groups.id, groupMembers.groupId))
      .where(eq(groupMembers.agentId, agentId))
      .all()
      .flatMap(({ id, type }) => (background.has(type) ? [id] : []))
  }

  /** The filters of groups.md §4.2.4. */
  function asked(query: ListAgentsQuery): SQL | undefined {
    const equal = (key: 'project_id' | 'template_id' | 'base_template_id' | 'last_stop_reason') =>
      query[key] === undefined ? undefined : eq(sql`json_extract(${agents.settings}, ${`$.${key}`})`, query[key])
    return and(
      query.show_hidden_agents ? undefined : shown(agents.hidden),
      query.name === undefined ? undefined : eq(agents.name, query.name),
      query.query_text === undefined ? undefined : contains(agents.name, query.query_text),
      query.tags && (query.match_all_tags ? and(...query.tags.map((tag) => tagged([tag]))) : tagged(query.tags)),
      equal('project_id'),
      equal('template_id'),
      equal('base_template_id'),
      equal('last_stop_reason'),
      unmatched(query.identity_id, query.identifier_keys, query.created_by_id),
    )
  }

  function tagged(tags: string[]): SQL {
    return inArray(agents.id, orm.select({ id: agentTags.agentId }).from(agentTags).where(inArray(agentTags.tag, tags)))
  }

  function setTags(agentId: string, tags: string[]) {
    orm.delete(agentTags).where(eq(agentTags.agentId, agentId)).run()
    const rows = [...new Set(tags)].map((tag) => ({ agentId, tag }))
    if (rows.length > 0) orm.insert(agentTags).values(rows).run()
  }

  /** Those of the tenant's tools that have one of the names: name → id. */
  function toolsNamed(tenant: string, names: string[]): Map<string, string> {
    const where = and(eq(tools.tenant, tenant), inArray(tools.name, names))
    const rows = orm.select({ id: tools.id, name: tools.name }).from(tools).where(where).all()
    return new Map(rows.map(({ name, id }) => [name, id]))
  }

  function addTools(tenant: string, agentId: string, ids: string[]) {
    const where = and(eq(tools.tenant, tenant), inArray(tools.id, ids))
    const rows = orm.select().from(tools).where(where).all()
    const known = new Set(rows.map(({ id }) => id))
    const unknown = ids.find((id) => !known.has(id))
    if (unknown !== undefined) throw new NotFound('tool', unknown)
    const pairs = ids.map((toolId) => ({ agentId, toolId }))
    if (pairs.length > 0) orm.insert(agentTools).values(pairs).onConflictDoNothing().run()
    const careful = rows.filter(({ definition }) => definition.default_requires_approval)
    if (careful.length === 0) return
    const { settings } = reads.findRow(tenant, agentId)
    const tool_rules = careful.reduce((rules, { name }) => withApproval(rules, name, true), settings.tool_rules)
    orm
      .update(agents)
      .set({ settings: { ...settings, tool_rules } })
      .where(eq(agents.id, agentId))
      .run()
  }

  /** Exactly these of its messages are shown to its model, in the order in which they were stored. */
  function setContext(agentId: string, ids: string[]) {
    const own = orm
      .select({ id: messages.id })
      .from(messages)
      .where(eq(messages.agentId, agentId))
      .orderBy(asc(messages.seq))
      .all()
    const known = new Set(own.map(({ id }) => id))
    const unknown = ids.find((id) => !known.has(id))
    if (unknown !== undefined) throw new NotFound('message', unknown)
    const system = own[0]?.id
    if (system !== undefined && !ids.includes(system)) {
      throw new InvalidArgument(`INVALID_ARGUMENT: message_ids must hold the system message ${system}`)
    }
    const inContext = sql`${messages.id} in (select value from json_each(${JSON.stringify(ids)}))`
    orm.update(messages).set({ inContext }).where(eq(messages.agentId, agentId)).run()
  }

  /** Takes an agent out of every group; those behind it move up (groups.md G-38). */
  function leaveGroups(agentId: string) {
    const its = orm.select({ id: groupMembers.groupId }).from(groupMembers).where(eq(groupMembers.agentId, agentId))
    const all = orm
      .select()
      .from(groupMembers)
      .where(inArray(groupMembers.groupId, its))
      .orderBy(asc(groupMembers.position))
      .all()
    for (const [groupId, members] of Map.groupBy(all, (member) => member.groupId)) {
      const stay = members.filter((member) => member.agentId !== agentId).map((member, position) => ({ ...member, position }))
      orm.delete(groupMembers).where(eq(groupMembers.groupId, groupId)).run()
      if (stay.length > 0) orm.insert(groupMembers).values(stay).run()
    }
  }
}
