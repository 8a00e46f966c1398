import { and, asc, eq } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import { blockLinks } from './block-links.ts'
import { newBlockRow, toBlock } from './block-rows.ts'
import { given } from './patch.ts'
import { agentBlocks, agents, blocks } from './schema.ts'
import type { Db } from './db.ts'
import type { Memory } from './store.ts'

/** An agent's blocks as one thing: what changes several of them changes all or none. */
export const memoryQueries = (db: Db): Memory => {
  const { orm } = db
  const links = blockLinks(db)
  return {
    async changeMemory(tenant, agentId, plan) {
      await db.write(() => {
        const own = and(eq(agents.tenant, tenant), eq(agents.id, agentId))
        if (!orm.select({ id: agents.id }).from(agents).where(own).get()) throw new NotFound('agent', agentId)
        const held = orm
          .select({ block: blocks })
          .from(agentBlocks)
          .innerJoin(blocks, eq(blocks.id, agentBlocks.blockId))
          .where(eq(agentBlocks.agentId, agentId))
          .orderBy(asc(agentBlocks.seq))
          .all()
        const rows = new Map(held.map(({ block }) => [block.id, block]))
        for (const change of plan(held.map(({ block }) => toBlock(block)))) {
          if (change.kind === 'create') {
            const row = newBlockRow(tenant, change.block)
            orm.insert(blocks).values(row).run()
            links.link(agentId, { id: row.id, label: change.block.label })
            continue
          }
          const row = rows.get(change.blockId)
          if (!row) throw new NotFound('block of this agent', change.blockId)
          if (change.kind === 'detach') links.unlink(agentId, row.id)
          else {
            const { label } = change.update
            if (label !== undefined) links.refuseClashes({ id: row.id, label })
            const changed = { ...given(change.update), updatedAt: Date.now() }
            orm.update(blocks).set(changed).where(eq(blocks.id, row.id)).run()
          }
        }
      })
    },
  }
}
