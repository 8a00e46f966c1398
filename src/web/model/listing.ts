import type { LettaMessage } from '../../wire/message.ts'
import { api } from './api.ts'

/** So many rows are read at first, and with each look further back. */
export const PAGE = 100

/** A run with more than these is not compared with its list. */
export const LONG = 1000

/** All of them: a run that was sent with a filter is shown whole. */
const everything =
  'system user assistant reasoning hidden_reasoning tool_call tool_return approval_request approval_response summary event'
    .split(' ')
    .map((type) => `include_return_message_types=${type}_message`)

/** The newest first; those before the row `oldest`, or the very newest. */
export const newestMessages = (path: string, oldest?: string) =>
  api.get<LettaMessage[]>(`${path}/messages?order=desc&limit=${PAGE}${oldest === undefined ? '' : `&after=${oldest}`}`)

export const messagesOfRun = (id: string) =>
  api.get<LettaMessage[]>(`/v1/runs/${id}/messages?order=asc&limit=${LONG}&${everything.join('&')}`)

/** The oldest row first; what is in one row is in the order in which it was said already. */
export function inOrder(newestFirst: LettaMessage[]): LettaMessage[] {
  const rows: LettaMessage[][] = []
  for (const message of newestFirst) {
    const row = rows.at(-1)
    if (row?.[0]?.id === message.id) row.push(message)
    else rows.push([message])
  }
  return rows.toReversed().flat()
}
