import { and, eq, ne, or, sql } from 'drizzle-orm'
import { blockLinks } from './block-links.ts'
import { groupBlocks, groupMembers, groups } from './schema.ts'
import type { Db } from './db.ts'

/** Who holds which blocks because of a group. */
export interface Sharing {
  agents: string[]
  blocks: string[]
}

/**
 * A block that a group shares is held by each of its members and by its manager (groups.md G-08), so all that changes who is
 * in a group or what it shares goes through here.
 *
 * @returns a function for the caller's transaction, after the group's own rows are written; it throws {NotFound} for a block
 *   of nobody, {Conflict} when an agent has another block of the same label
 */
export const groupSharing = (db: Db) => {
  const links = blockLinks(db)
  const elsewhere = db.orm
    .select({ id: groups.id })
    .from(groupBlocks)
    .innerJoin(groups, eq(groups.id, groupBlocks.groupId))
    .leftJoin(groupMembers, eq(groupMembers.groupId, groups.id))
    .where(
      and(
        eq(groupBlocks.blockId, sql.placeholder('blockId')),
        ne(groups.id, sql.placeholder('groupId')),
        or(eq(groups.managerAgentId, sql.placeholder('agentId')), eq(groupMembers.agentId, sql.placeholder('agentId'))),
      ),
    )
    .limit(1)
    .prepare()

  return (tenant: string, groupId: string, before: Sharing, after: Sharing): void => {
    const stays = (agentId: string, blockId: string) => after.agents.includes(agentId) && after.blocks.includes(blockId)
    for (const blockId of before.blocks) {
      for (const agentId of before.agents) {
        if (!stays(agentId, blockId) && !elsewhere.get({ agentId, blockId, groupId })) links.unlink(agentId, blockId)
      }
    }
    for (const blockId of after.blocks) {
      const block = links.findLinkable(tenant, blockId)
      for (const agentId of after.agents) links.link(agentId, block)
    }
  }
}
