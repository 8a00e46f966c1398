import type { MessageRow, Part, Store } from '../../src/db/store.ts'
import type { PromptMessage } from '../../src/llm/provider.ts'
import { packSummary } from '../../src/stream/summary.ts'
import { newId } from '../../src/wire/id.ts'
import { plainAdmission } from './admission.ts'

export const row = (role: MessageRow['role'], parts: Part[], rest: Partial<MessageRow> = {}): MessageRow => ({
  id: newId('message'),
  agentId: 'agent-x',
  groupId: null,
  runId: null,
  stepId: null,
  role,
  parts,
  name: null,
  senderId: null,
  otid: null,
  isErr: false,
  date: 0,
  heard: false,
  ...rest,
})

export const text = (value: string): Part => ({ type: 'text', text: value })
export const call = (id: string): Part => ({ type: 'tool_call', id, name: `tool_${id}`, arguments: '{}' })
export const result = (id: string): Part => ({
  type: 'tool_return',
  tool_call_id: id,
  content: `result ${id}`,
  is_error: false,
})
export const allowed = (...ids: string[]): Part => ({
  type: 'approval_response',
  approvals: ids.map((id) => ({ type: 'approval', tool_call_id: id, approve: true, reason: null })),
})

export const summary = (of: string) =>
  row(
    'summary',
    packSummary(
      of,
      {
        trigger: 'post_step_context_check',
        context_tokens_before: 100,
        context_tokens_after: 10,
        context_window: 110,
        messages_count_before: 9,
        messages_count_after: 3,
      },
      0,
    ),
  )

/** Stores rows behind what their agent heard so far, as a run's input. */
export async function hear(store: Store, tenant: string, agentId: string, rows: MessageRow[]): Promise<void> {
  const run = { id: newId('run'), agentId, groupId: null, background: false, runType: 'test', createdAt: 0 }
  await store.admitRun(
    tenant,
    { ...run, admission: plainAdmission() },
    { targets: [run.id], inputs: rows, frames: [], answering: [] },
  )
}

/** What providers insist on; the words of their refusals. */
export function complaints(prompt: PromptMessage[]): string[] {
  const found: string[] = []
  for (const [index, message] of prompt.entries()) {
    const next = prompt[index + 1]
    if (next && next.role === message.role) found.push(`two ${message.role} messages in a row`)
    if (message.role === 'assistant') {
      const calls = message.content.flatMap((part) => (part.type === 'tool_call' ? [part.id] : []))
      const results = next?.role === 'tool' ? next.results.map(({ id }) => id) : []
      const [asked, given] = [calls.toSorted().join(), results.toSorted().join()]
      if (asked !== given) found.push(`calls ${asked} have results ${given}`)
    }
    if (message.role === 'tool' && prompt[index - 1]?.role !== 'assistant') found.push('a result without a call')
  }
  if (prompt.at(-1)?.role === 'assistant') found.push('nobody to answer')
  return found
}
