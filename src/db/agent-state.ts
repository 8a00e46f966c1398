import { and, asc, eq, sql } from 'drizzle-orm'
import { NotFound } from '../errors.ts'
import type { AgentState } from '../wire/agent.ts'
import { isoDate, wireDate } from '../wire/message.ts'
import { toBlock } from './block-rows.ts'
import { groupReads } from './group-state.ts'
import { agentBlocks, agents, agentTags, approvals, agentTools, blocks, messages, tools } from './schema.ts'
import { inContextOrder } from './messages.ts'
import type { Db } from './db.ts'

export type AgentRow = typeof agents.$inferSelect

/** An agent as it goes over the wire: its row, with everything that hangs on it (design §5 row 23). */
export const agentReads = (db: Db) => {
  const { orm } = db
  const groups = groupReads(db)
  const byId = orm
    .select()
    .from(agents)
    .where(and(eq(agents.tenant, sql.placeholder('tenant')), eq(agents.id, sql.placeholder('id'))))
    .prepare()
  const blocksOf = orm
    .select({ block: blocks })
    .from(agentBlocks)
    .innerJoin(blocks, eq(blocks.id, agentBlocks.blockId))
    .where(eq(agentBlocks.agentId, sql.placeholder('id')))
    .orderBy(asc(agentBlocks.seq))
    .prepare()
  const toolsOf = orm
    .select({ id: tools.id, name: tools.name, definition: tools.definition })
    .from(agentTools)
    .innerJoin(tools, eq(tools.id, agentTools.toolId))
    .where(eq(agentTools.agentId, sql.placeholder('id')))
    .orderBy(asc(agentTools.seq))
    .prepare()
  const tagsOf = orm
    .select({ tag: agentTags.tag })
    .from(agentTags)
    .where(eq(agentTags.agentId, sql.placeholder('id')))
    .orderBy(asc(agentTags.tag))
    .prepare()
  const contextOf = orm
    .select({ id: messages.id })
    .from(messages)
    // Written out, as a parameter would not let the partial index be used.
    .where(and(eq(messages.agentId, sql.placeholder('id')), sql`in_context = 1`))
    .orderBy(inContextOrder)
    .prepare()

  const waiting = orm
    .select({ approval: approvals, date: messages.date, name: messages.name })
    .from(approvals)
    .innerJoin(messages, eq(messages.id, approvals.id))
    .where(and(eq(approvals.agentId, sql.placeholder('id')), eq(approvals.status, 'pending')))
    .orderBy(asc(approvals.seq))
    .limit(1)
    .prepare()

  /** The calls that wait for an answer, as the message that asks (streaming.md §7.2). */
  function pendingApproval(agentId: string): AgentState['pending_approval'] {
    const found = waiting.get({ id: agentId })
    if (!found) return null
    const { id, stepId, runId, calls } = found.approval
    const asked = calls.map((call) => ({ name: call.name, arguments: call.arguments, tool_call_id: call.id }))
    return {
      id,
      date: wireDate(found.date),
      name: found.name,
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

  return {
    /** @throws {NotFound} for another tenant's too */
    findRow(tenant: string, id: string): AgentRow {
      const row = byId.get({ tenant, id })
      if (!row) throw new NotFound('agent', id)
      return row
    },
    toState(row: AgentRow): AgentState {
      const { id } = row
      const held = blocksOf.all({ id }).map(({ block }) => toBlock(block))
      const group = groups.managedBy(id)
      return {
        ...row.settings,
        id,
        name: row.name,
        blocks: held,
        memory: { agent_type: row.settings.agent_type, git_enabled: false, blocks: held, file_blocks: [], prompt_template: '' },
        tools: toolsOf.all({ id }).map(({ definition, ...tool }) => ({ ...definition, ...tool })),
        tags: tagsOf.all({ id }).map(({ tag }) => tag),
        message_ids: contextOf.all({ id }).map((message) => message.id),
        managed_group: group,
        multi_agent_group: group,
        hidden: row.hidden,
        created_at: isoDate(row.createdAt),
        updated_at: isoDate(row.updatedAt),
        created_by_id: null,
        last_updated_by_id: null,
        sources: [],
        identity_ids: [],
        identities: [],
        pending_approval: pendingApproval(id),
        tool_exec_environment_variables: [],
        secrets: [],
        deployment_id: null,
        entity_id: null,
      }
    },
  }
}
