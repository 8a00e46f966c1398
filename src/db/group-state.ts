import { asc, eq, sql } from 'drizzle-orm'
import type { Group } from '../wire/group.ts'
import { groupBlocks, groupMembers, groups } from './schema.ts'
import type { Db } from './db.ts'

export type GroupRow = typeof groups.$inferSelect

/** A group as it goes over the wire: its row, who is in it, what they share. */
export const groupReads = ({ orm }: Pick<Db, 'orm'>) => {
  const members = orm
    .select({ agentId: groupMembers.agentId })
    .from(groupMembers)
    .where(eq(groupMembers.groupId, sql.placeholder('groupId')))
    .orderBy(asc(groupMembers.position))
    .prepare()
  const shared = orm
    .select({ blockId: groupBlocks.blockId })
    .from(groupBlocks)
    .where(eq(groupBlocks.groupId, sql.placeholder('groupId')))
    .orderBy(asc(groupBlocks.seq))
    .prepare()
  const managed = orm
    .select()
    .from(groups)
    .where(eq(groups.managerAgentId, sql.placeholder('agentId')))
    .prepare()

  const membersOf = (groupId: string) => members.all({ groupId }).map((row) => row.agentId)
  const sharedBy = (groupId: string) => shared.all({ groupId }).map((row) => row.blockId)
  const toGroup = (row: GroupRow): Group => ({
    id: row.id,
    manager_type: row.managerType,
    agent_ids: membersOf(row.id),
    description: row.description,
    project_id: row.projectId,
    template_id: null,
    base_template_id: null,
    deployment_id: null,
    shared_block_ids: sharedBy(row.id),
    manager_agent_id: row.managerAgentId,
    termination_token: row.terminationToken,
    max_turns: row.maxTurns,
    sleeptime_agent_frequency: row.sleeptimeAgentFrequency,
    turns_counter: row.turnsCounter,
    last_processed_message_id: row.lastProcessedMessageId,
    max_message_buffer_length: row.maxMessageBufferLength,
    min_message_buffer_length: row.minMessageBufferLength,
    hidden: row.hidden,
  })
  return {
    /** In speaking order; an agent may stand in it more than once. */
    membersOf,
    sharedBy,
    toGroup,
    managedBy(agentId: string): Group | null {
      const row = managed.get({ agentId })
      return row ? toGroup(row) : null
    },
  }
}
