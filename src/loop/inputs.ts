import { randomUUID } from 'node:crypto'
import type { MessageRow, Part } from '../db/store.ts'
import type { ContentPart } from '../wire/content.ts'
import { newId } from '../wire/id.ts'
import type { MessageCreate } from '../wire/request.ts'

/** An input is stored for the first of those who hear it, and heard by the others (design §5 rows 15, 19). */
export function inputRows(
  run: { id: string; groupId: string | null; createdAt: number },
  input: MessageCreate,
  hearers: string[],
): MessageRow[] {
  const content: ContentPart[] = typeof input.content === 'string' ? [{ type: 'text', text: input.content }] : input.content
  const otid = input.otid ?? randomUUID()
  return hearers.map((agentId, index) => ({
    id: newId('message'),
    agentId,
    groupId: run.groupId,
    runId: run.id,
    stepId: null,
    role: input.role,
    parts: content.map(storedPart),
    name: input.name ?? null,
    senderId: input.sender_id ?? null,
    otid,
    isErr: false,
    date: run.createdAt,
    heard: index > 0,
  }))
}

const storedPart = (part: ContentPart): Part =>
  part.type === 'tool_call'
    ? { type: 'tool_call', id: part.id, name: part.name, arguments: JSON.stringify(part.input), signature: part.signature }
    : part
