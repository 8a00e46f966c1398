import type { Context } from 'hono'
import type { Caller, Services } from '../services.ts'
import type { MessageScope, RunError, RunRow, Store } from '../db/store.ts'
import { Expired, InvalidArgument, RunGoesOn } from '../errors.ts'
import { expand } from '../stream/expand.ts'
import { type Folded, Folding } from '../stream/fold.ts'
import type { RunLog } from '../stream/log.ts'
import { answerStream } from '../stream/sse.ts'
import { tail } from '../stream/tail.ts'
import { viewFor } from '../stream/views.ts'
import type { LettaMessage } from '../wire/message.ts'
import type { ListMessagesQuery, PageQuery } from '../wire/page.ts'
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
  return answerStream(c, {
    follow: (show, signal) => tail(log, run.seq, after, { silenceMs: config.keepaliveMs, signal }, show),
    runOf: () => run.id,
    runId: run.id,
    pings: pings && !fern,
    view,
    stallMs: config.readerStallMs,
    closing,
  })
}

/** @throws {Expired} when its frames are kept no more */
export async function positionOf(log: RunLog, run: Pick<RunRow, 'id' | 'seq'>) {
  const position = await log.position(run.seq)
  if (!position) throw new Expired(run.id)
  return position
}

/** Where one who comes back by a POST goes on. With nothing left it gets `[DONE]` once more, at once. */
export async function resumeAfter(
  { log }: Pick<Services, 'log'>,
  run: RunRow,
  after: number | null | undefined,
): Promise<number> {
  const { last, final } = await positionOf(log, run)
  refuseFuture(after ?? 0, last, final)
  return final ? Math.min(after ?? 0, last - 1) : (after ?? 0)
}

/** @throws {InvalidArgument} for a cursor that nobody can have: waiting for its frame would skip those before it (faults.md F51) */
export function refuseFuture(after: number, last: number, final: boolean): void {
  if (final || after <= last) return
  throw new InvalidArgument(`INVALID_ARGUMENT: The run has no frame ${after} yet; its last is ${last}`)
}

/** A run's end as one who waited for it sees it. */
type Collected = { [K in 'messages' | 'stopReason' | 'usage']: NonNullable<Folded[K]> } | { failed: RunError }

/**
 * The same stream, collected; nothing when the caller has left.
 *
 * @throws {RunGoesOn} when the server goes down meanwhile
 */
export async function collect(
  c: Context<Caller>,
  { log, store, config, closing }: Services,
  run: RunRow,
): Promise<Collected | undefined> {
  const view = viewFor({ includePings: true, types: run.admission.request.include_return_message_types, fern: false })
  const signal = AbortSignal.any([c.req.raw.signal, closing])
  const folding = new Folding()
  await tail(log, run.seq, 0, { silenceMs: config.keepaliveMs, signal }, ({ text }) => {
    folding.read(view ? view(text) : text)
    return undefined
  })
  const { messages, stopReason, usage, error } = folding.result()
  c.header('x-letta-run-id', run.id)
  // The input is stored: sent again by itself, as letta-client does after a 429 or 500, it would be heard twice.
  if (!usage) c.header('x-should-retry', 'false')
  if (error) return { failed: (await store.findRun(run.tenant, run.id)).error! }
  if (usage && stopReason) return { messages, stopReason, usage }
  if (closing.aborted) throw new RunGoesOn(run.id)
  return undefined
}

/** Of one who left nobody will see it. */
export const answerNobody = (c: Context<Caller>) => c.body(null, 499 as 500)

/** A run that failed is answered with the status of its cause (design §5 row 8). */
export async function answerWhole(c: Context<Caller>, services: Services, run: RunRow) {
  const all = await collect(c, services, run)
  if (!all) return answerNobody(c)
  if ('failed' in all) return c.json({ ...all.failed.body, run_id: run.id }, all.failed.status as 500)
  return c.json(responseOf(all))
}

/** What the stream alone says: it is about the stream, or about turns, and nobody said it. */
const isNote = (message: LettaMessage) => message.message_type === 'event_message' && message.event_type !== 'compaction'

const responseOf = ({ messages: all, stopReason, usage }: Exclude<Collected, { failed: RunError }>): LettaResponse => {
  const { run_id: _run, seq_id: _seq, ...counted } = usage
  const messages = all.filter((message) => !isNote(message))
  return { messages, stop_reason: { message_type: 'stop_reason', stop_reason: stopReason.stop_reason }, usage: counted }
}

/**
 * A list of messages. Rows that show nothing, e.g. because of a type filter, never make it empty before the end: a client that
 * pages through it stops at an empty page.
 */
export async function listMessages(
  store: Pick<Store, 'listMessages'>,
  tenant: string,
  of: MessageScope,
  query: Pick<ListMessagesQuery, keyof PageQuery | 'include_return_message_types'> & { use_assistant_message?: boolean },
): Promise<LettaMessage[]> {
  const { include_return_message_types: types, use_assistant_message: speech = true } = query
  for (let page: PageQuery = query; ;) {
    const rows = await store.listMessages(tenant, of, page)
    const messages = rows.flatMap((row) => expand(row, !speech))
    const shown = types ? messages.filter((message) => types.includes(message.message_type)) : messages
    if (shown.length > 0 || rows.length < page.limit) return shown
    const backwards = page.before !== undefined && page.after === undefined
    page = backwards ? { ...page, before: rows[0]!.id } : { ...page, after: rows.at(-1)!.id }
  }
}
