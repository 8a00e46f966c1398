import type { Context } from 'hono'
import type { Caller, Services } from '../services.ts'
import type { MessageRow, RunRow } from '../db/store.ts'
import { expand } from '../stream/expand.ts'
import { type Folded, fold } from '../stream/fold.ts'
import type { Page } from '../stream/log.ts'
import { answerStream } from '../stream/sse.ts'
import { tail } from '../stream/tail.ts'
import { type View, viewFor } from '../stream/views.ts'
import type { LettaMessage } from '../wire/message.ts'
import type { ListMessagesQuery } from '../wire/page.ts'
import type { LettaResponse } from '../wire/response.ts'

export interface StreamOptions {
  after: number
  pings: boolean
}

/** A run's frames as Server-Sent Events, from `after` on: for its sender and for whoever comes back. */
export function answerEvents(
  c: Context<Caller>,
  { log, config, closing }: Services,
  run: RunRow,
  { after, pings }: StreamOptions,
) {
  const fern = run.groupId !== null && c.req.header('x-fern-language') !== undefined
  const view = viewFor({ includePings: pings, types: run.admission.request.include_return_message_types, fern })
  const pages = (signal: AbortSignal) => tail(log, run.seq, after, { silenceMs: config.keepaliveMs, signal })
  return answerStream(c, { pages, runOf: () => run.id, runId: run.id, pings: pings && !fern, view, closing })
}

/** The same stream, collected; a run that failed is answered with the status of its cause (design §5 row 8). */
export async function answerWhole(c: Context<Caller>, { log, store, config }: Services, run: RunRow) {
  const view = viewFor({ includePings: true, types: run.admission.request.include_return_message_types, fern: false })
  const pages = tail(log, run.seq, 0, { silenceMs: config.keepaliveMs, signal: c.req.raw.signal })
  const { messages, stopReason, usage, error } = await fold(view ? viewed(pages, view) : pages)
  c.header('x-letta-run-id', run.id)
  if (!usage && !error) return c.body(null, 499 as 500) // The caller left.
  if (error) {
    // The input is stored: sent again by itself, as letta-client does after a 429 or 500, it would be heard twice.
    c.header('x-should-retry', 'false')
    const failed = await store.findRun(run.tenant, run.id)
    return c.json({ ...failed.error!.body, run_id: run.id }, failed.error!.status as 500)
  }
  return c.json(responseOf({ messages, stopReason, usage, error }))
}

/** What the stream alone says: it is about the stream, or about turns, and nobody said it. */
const isNote = (message: LettaMessage) => message.message_type === 'event_message' && message.event_type !== 'compaction'

const responseOf = ({ messages: all, stopReason, usage }: Folded): LettaResponse => {
  const { run_id: _run, seq_id: _seq, ...counted } = usage!
  const messages = all.filter((message) => !isNote(message))
  return { messages, stop_reason: { message_type: 'stop_reason', stop_reason: stopReason!.stop_reason }, usage: counted }
}

async function* viewed(pages: AsyncIterable<Page>, view: View) {
  for await (const page of pages) yield { ...page, text: view(page.text) }
}

/** Rows as a list shows them; a type filter may make a page short (streaming.md §6.3). */
export function listed(
  rows: MessageRow[],
  query: Pick<ListMessagesQuery, 'include_return_message_types' | 'use_assistant_message'>,
) {
  const { include_return_message_types: types, use_assistant_message: speech } = query
  const messages = rows.flatMap((row) => expand(row, !speech))
  return types ? messages.filter((message) => types.includes(message.message_type)) : messages
}
