import { randomUUID } from 'node:crypto'
import { z } from 'zod'

/** `<prefix>-<uuid4>`, lower case only (groups.md §1.1). */
export const idOf = (prefix: string) =>
  z
    .string()
    .regex(
      new RegExp(`^${prefix}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
      `String should match pattern '${prefix}-{uuid4}'`,
    )

/**
 * Random but for its first 12 digits, which are the ms since 1970 (as in RFC 9562 §5.7, with the version that clients check
 * for): ids of one time lie beside each other in an index, so a large one is as fast to insert into as a small one. Nobody
 * orders by them.
 */
export function newId(prefix: string): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${prefix}-${time.slice(0, 8)}-${time.slice(8)}${randomUUID().slice(13)}`
}

export const AgentId = idOf('agent')
export const BlockId = idOf('block')
export const GroupId = idOf('group')
export const MessageId = idOf('message')
export const RunId = idOf('run')
export const StepId = idOf('step')
export const ToolId = idOf('tool')

/**
 * The `otid` of the part `index` of a model's answer: the row's uuid with its low 7 bits replaced by the index
 * (streaming.md §3.2). Parts past 127 share the last one.
 */
export function partOtid(messageId: string, index: number): string {
  const uuid = messageId.slice(-36)
  const low = (Number.parseInt(uuid.slice(34), 16) & 0x80) | Math.min(index, 127)
  return uuid.slice(0, 34) + low.toString(16).padStart(2, '0')
}

/** The id of an approval request: that of the answer which asked for the call, minus one (streaming.md §3.2). */
export function decrementMessageId(id: string): string {
  const less = BigInt.asUintN(128, BigInt(`0x${id.slice(-36).replaceAll('-', '')}`) - 1n)
  const hex = less.toString(16).padStart(32, '0')
  return id.slice(0, -36) + hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
