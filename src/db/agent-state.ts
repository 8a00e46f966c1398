import { NotFound } from '../errors.ts'
import type { AgentState } from '../wire/agent.ts'
import { isoDate, wireDate } from '../wire/message.ts'
import { toBlock } from './block-rows.ts'
import { groupReads } from './group-state.ts'
import { parsedOnce } from './parsed.ts'
import { reader } from './reader.ts'
import { agents, approvals, blocks, tools } from './schema.ts'
import type { Db } from './db.ts'
import type { Speaker } from './store.ts'

export type AgentRow = typeof agents.$inferSelect

/** An agent as it goes over the wire: its row, with everything that hangs on it (design §5 row 23). */
export const agentReads = (db: Db) => {
  const { raw } = db
  const groups = groupReads(db)
  const byId = reader(db, agents, 'WHERE tenant = ? AND id = ?')
  const named = raw.prepare<[string, string], string>('SELECT name FROM agents WHERE tenant = ? AND id = ?').pluck()
  const blocksOf = reader(
    db,
    blocks,
    'JOIN agent_blocks held ON held.block_id = blocks.id WHERE held.agent_id = +? ORDER BY held.seq',
  )
  const toolsOf = reader(
    db,
    tools,
    'JOIN agent_tools held ON held.tool_id = tools.id WHERE held.agent_id = +? ORDER BY held.seq',
    // They are long, the same for most agents, and a step keeps them until its model has said all.
    { definition: parsedOnce() },
  )
  const tagsOf = raw.prepare<[string], string>('SELECT tag FROM agent_tags WHERE agent_id = +? ORDER BY tag').pluck()
  const contextOf = raw
    .prepare<[string], string>(
      'SELECT id FROM messages WHERE agent_id = +? AND in_context = 1 ORDER BY coalesce(place, seq), seq',
    )
    .pluck()
  const waiting = reader(db, approvals, `WHERE agent_id = +? AND status = 'pending' ORDER BY seq LIMIT 1`)
  const asking = raw.prepare<[string], { date: number; name: string | null }>('SELECT date, name FROM messages WHERE id = ?')

  /** The calls that wait for an answer, as the message that asks (streaming.md §7.2). */
  function pendingApproval(agentId: string): AgentState['pending_approval'] {
    const found = waiting.get(agentId)
    const asker = found && asking.get(found.id)
    if (!asker) return null
    const { id, stepId, runId, calls } = found
    const asked = calls.map((call) => ({ name: call.name, arguments: call.arguments, tool_call_id: call.id }))
    return {
      id,
      date: wireDate(asker.date),
      name: asker.name,
      message_type: 'approval_request_message',
      otid: id,
      sender_id: agentId,
      step_id: stepId,
      is_err: null,
      seq_id: null,
      run_id: runId,
      tool_call: asked[0]!,
      tool_calls: asked,
    }
  }

  const toSpeaker = (row: AgentRow): Speaker => ({
    ...row.settings,
    id: row.id,
    name: row.name,
    blocks: blocksOf.all(row.id).map(toBlock),
    tools: toolsOf.all(row.id).map((tool) => ({ ...tool.definition, id: tool.id, name: tool.name })),
    hidden: row.hidden,
    created_at: isoDate(row.createdAt),
    updated_at: isoDate(row.updatedAt),
    created_by_id: null,
    last_updated_by_id: null,
    sources: [],
    identity_ids: [],
    identities: [],
    tool_exec_environment_variables: [],
    secrets: [],
    deployment_id: null,
    entity_id: null,
  })

  return {
    /** @throws {NotFound} for another tenant's too */
    findRow(tenant: string, id: string): AgentRow {
      const row = byId.get(tenant, id)
      if (!row) throw new NotFound('agent', id)
      return row
    },
    /** @throws {NotFound} */
    findName(tenant: string, id: string): string {
      const name = named.get(tenant, id)
      if (name === undefined) throw new NotFound('agent', id)
      return name
    },
    toSpeaker,
    toState(row: AgentRow): AgentState {
      const { id } = row
      const speaker = toSpeaker(row)
      const { blocks: held, agent_type } = speaker
      const group = groups.managedBy(id)
      return {
        ...speaker,
        memory: { agent_type, git_enabled: false, blocks: held, file_blocks: [], prompt_template: '' },
        tags: tagsOf.all(id),
        message_ids: contextOf.all(id),
        managed_group: group,
        multi_agent_group: group,
        pending_approval: pendingApproval(id),
      }
    },
  }
}
