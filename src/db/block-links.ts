import { and, eq, ne, sql } from 'drizzle-orm'
import { Conflict, NotFound } from '../errors.ts'
import { agentBlocks, blocks } from './schema.ts'
import type { Db } from './db.ts'

/** A block as far as links care. */
interface Linkable {
  id: string
  label: string | null
}

/**
 * Who holds which block. An agent holds one block of each label (groups.md §4.3.2); this file is where that is kept true, so
 * nothing else writes to `agent_blocks`. All of it belongs into the caller's transaction.
 */
export const blockLinks = ({ orm }: Pick<Db, 'orm'>) => {
  const agentId = eq(agentBlocks.agentId, sql.placeholder('agentId'))
  const blockId = eq(agentBlocks.blockId, sql.placeholder('blockId'))
  const find = orm
    .select({ id: blocks.id, label: blocks.label })
    .from(blocks)
    .where(and(eq(blocks.tenant, sql.placeholder('tenant')), eq(blocks.id, sql.placeholder('id'))))
    .prepare()
  const rival = orm
    .select({ id: blocks.id })
    .from(agentBlocks)
    .innerJoin(blocks, eq(blocks.id, agentBlocks.blockId))
    .where(and(agentId, eq(blocks.label, sql.placeholder('label')), ne(blocks.id, sql.placeholder('blockId'))))
    .prepare()
  const insert = orm
    .insert(agentBlocks)
    .values({ agentId: sql.placeholder('agentId'), blockId: sql.placeholder('blockId') })
    .onConflictDoNothing()
    .prepare()
  const remove = orm.delete(agentBlocks).where(and(agentId, blockId)).prepare()
  const holders = orm.select({ agentId: agentBlocks.agentId }).from(agentBlocks).where(blockId).prepare()

  const refuseRival = (holder: string, { id, label }: Linkable) => {
    const other = rival.get({ agentId: holder, blockId: id, label })
    if (other) throw new Conflict(`Agent ${holder} already has a block labelled ${label}: ${other.id}`)
  }
  return {
    /** @throws {NotFound} for another tenant's too */
    findLinkable(tenant: string, id: string): Linkable {
      const block = find.get({ tenant, id })
      if (!block) throw new NotFound('block', id)
      return block
    },
    /** Idempotent. @throws {Conflict} when the agent has another block of that label */
    link(holder: string, block: Linkable): void {
      refuseRival(holder, block)
      insert.run({ agentId: holder, blockId: block.id })
    },
    /** @returns false when it was not linked */
    unlink(holder: string, id: string): boolean {
      return remove.run({ agentId: holder, blockId: id }).changes === 1
    },
    unlinkAll(holder: string): void {
      orm.delete(agentBlocks).where(eq(agentBlocks.agentId, holder)).run()
    },
    /** @throws {Conflict} when one of the block's holders has another block of its new label */
    refuseClashes(block: Linkable): void {
      for (const holder of holders.all({ blockId: block.id })) refuseRival(holder.agentId, block)
    },
  }
}
