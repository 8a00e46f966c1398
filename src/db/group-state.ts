import { NotFound } from '../errors.ts'
import type { Group } from '../wire/group.ts'
import { reader } from './reader.ts'
import { groups } from './schema.ts'
import type { Db } from './db.ts'

export type GroupRow = typeof groups.$inferSelect

/** A group as it goes over the wire: its row, who is in it, what they share. */
export const groupReads = ({ raw }: Pick<Db, 'raw'>) => {
  const members = raw
    .prepare<[string], string>('SELECT agent_id FROM group_members WHERE group_id = +? ORDER BY position')
    .pluck()
  const shared = raw.prepare<[string], string>('SELECT block_id FROM group_blocks WHERE group_id = +? ORDER BY seq').pluck()
  const byId = reader({ raw }, groups, 'WHERE tenant = ? AND id = ?')
  const managed = reader({ raw }, groups, 'WHERE manager_agent_id = ?')

  const membersOf = (groupId: string) => members.all(groupId)
  const sharedBy = (groupId: string) => shared.all(groupId)
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
    /** @throws {NotFound} for another tenant's too */
    findRow(tenant: string, id: string): GroupRow {
      const row = byId.get(tenant, id)
      if (!row) throw new NotFound('group', id)
      return row
    },
    /** In speaking order; an agent may stand in it more than once. */
    membersOf,
    sharedBy,
    toGroup,
    managedBy(agentId: string): Group | null {
      const row = managed.get(agentId)
      return row ? toGroup(row) : null
    },
  }
}
