import { and, count, eq, exists, gt, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import type { ListBlocksQuery } from '../wire/block.ts'
import { type BlockRow, changedColumns, newBlockRow, toBlock } from './block-rows.ts'
import { blockLinks } from './block-links.ts'
import { contains, shown, unmatched } from './match.ts'
import { pageOf } from './page.ts'
import { agentBlocks, agents, blocks } from './schema.ts'
import type { Db } from './db.ts'
import type { Blocks } from './store.ts'

export const blockQueries = (db: Db): Blocks => {
  const { orm } = db
  const links = blockLinks(db)
  const byId = orm
    .select()
    .from(blocks)
    .where(and(eq(blocks.tenant, sql.placeholder('tenant')), eq(blocks.id, sql.placeholder('id'))))
    .prepare()
  const agentById = orm
    .select({ id: agents.id })
    .from(agents)
    .where(and(eq(agents.tenant, sql.placeholder('tenant')), eq(agents.id, sql.placeholder('id'))))
    .prepare()
  const byLabel = orm
    .select()
    .from(blocks)
    .innerJoin(agentBlocks, eq(agentBlocks.blockId, blocks.id))
    .where(and(eq(agentBlocks.agentId, sql.placeholder('agentId')), eq(blocks.label, sql.placeholder('label'))))
    .prepare()

  const find = (tenant: string, id: string): BlockRow => {
    const row = byId.get({ tenant, id })
    if (!row) throw new NotFound('block', id)
    return row
  }
  const requireAgent = (tenant: string, id: string) => {
    if (!agentById.get({ tenant, id })) throw new NotFound('agent', id)
  }
  const heldBy = (agentId: string): SQL =>
    inArray(blocks.id, orm.select({ id: agentBlocks.blockId }).from(agentBlocks).where(eq(agentBlocks.agentId, agentId)))

  return {
    async createBlock(tenant, create) {
      return db.write(() => toBlock(orm.insert(blocks).values(newBlockRow(tenant, create)).returning().get()))
    },
    async findBlock(tenant, id) {
      return toBlock(find(tenant, id))
    },
    async findAgentBlock(tenant, agentId, label) {
      requireAgent(tenant, agentId)
      const row = byLabel.get({ agentId, label })
      if (!row) throw new NotFound('block', label)
      return toBlock(row.blocks)
    },
    async listBlocks(tenant, query) {
      return pageOf(db, blocks, tenant, asked(query), query).map(toBlock)
    },
    async blocksOfAgent(tenant, agentId, page) {
      requireAgent(tenant, agentId)
      return pageOf(db, blocks, tenant, heldBy(agentId), page).map(toBlock)
    },
    async countBlocks(tenant, query) {
      const where = and(eq(blocks.tenant, tenant), asked(query))
      return orm.select({ n: count() }).from(blocks).where(where).get()!.n
    },
    async updateBlock(tenant, id, update) {
      return db.write(() => {
        const row = find(tenant, id)
        if (update.label !== undefined) links.refuseClashes({ id, label: update.label })
        return toBlock(orm.update(blocks).set(changedColumns(row, update)).where(eq(blocks.id, id)).returning().get())
      })
    },
    async deleteBlock(tenant, id) {
      await db.write(() => {
        links.findLinkable(tenant, id)
        orm.delete(blocks).where(eq(blocks.id, id)).run()
      })
    },
    async attachBlock(tenant, agentId, blockId) {
      await db.write(() => {
        requireAgent(tenant, agentId)
        links.link(agentId, links.findLinkable(tenant, blockId))
      })
    },
    async detachBlock(tenant, agentId, blockId) {
      await db.write(() => {
        requireAgent(tenant, agentId)
        links.findLinkable(tenant, blockId)
        if (!links.unlink(agentId, blockId)) throw new NotFound('block of this agent', blockId)
      })
    },
    async editBlock(tenant, blockId, edit) {
      return db.write(() => {
        const value = edit(toBlock(find(tenant, blockId)))
        const change = { value, updatedAt: Date.now() }
        return toBlock(orm.update(blocks).set(change).where(eq(blocks.id, blockId)).returning().get())
      })
    },
  }
}

/** The filters of groups.md §4.3.2. */
function asked(query: ListBlocksQuery): SQL | undefined {
  const holders = sql`(select count(*) from ${agentBlocks} where ${agentBlocks.blockId} = ${blocks.id})`
  const {
    connected_to_agents_count_gt: above,
    connected_to_agents_count_lt: below,
    connected_to_agents_count_eq: exactly,
  } = query
  return and(
    query.show_hidden_blocks ? undefined : shown(blocks.hidden),
    query.label === undefined ? undefined : eq(blocks.label, query.label),
    query.project_id === undefined ? undefined : eq(blocks.projectId, query.project_id),
    query.templates_only ? eq(hosted('is_template'), 1) : undefined,
    query.name === undefined ? undefined : eq(hosted('template_name'), query.name),
    query.tags && tagged(query.tags, query.match_all_tags),
    query.label_search === undefined ? undefined : contains(blocks.label, query.label_search),
    query.description_search === undefined ? undefined : contains(blocks.description, query.description_search),
    query.value_search === undefined ? undefined : contains(blocks.value, query.value_search),
    above === undefined ? undefined : gt(holders, above),
    below === undefined ? undefined : lt(holders, below),
    exactly && inArray(holders, exactly),
    unmatched(query.identity_id, query.identifier_keys),
  )
}

function tagged(tags: string[], all: boolean): SQL | undefined {
  return all ? and(...tags.map((tag) => hasOneOf([tag]))) : hasOneOf(tags)
}

const hasOneOf = (tags: string[]) => exists(sql`(select 1 from json_each(${blocks.tags}) where ${inArray(sql`value`, tags)})`)

const hosted = (key: string) => sql`json_extract(${blocks.hosted}, ${`$.${key}`})`
