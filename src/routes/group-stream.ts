import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { InvalidArgument } from '../errors.ts'
import { feedPlace, type FeedPlace } from '../stream/cursor.ts'
import { feed, type FeedPage, type FeedStart } from '../stream/feed.ts'
import { answerStream } from '../stream/sse.ts'
import { viewFor } from '../stream/views.ts'
import { GroupId } from '../wire/id.ts'
import { FeedQuery } from '../wire/request.ts'
import { positionOf } from './answer.ts'
import { answers, events } from './describe.ts'
import { validate } from './validate.ts'

/** `/v1/groups/{group_id}/stream`: all runs of a group, live, for whoever watches it. */
export const groupStreamRoutes = ({ store, log, config, closing }: Services) => {
  return new Hono<Caller>({ strict: false }).get(
    '/:group_id/stream',
    answers('Follow all runs of a group; `id` is `<run number>.<seq>`', events),
    validate('param', z.object({ group_id: GroupId })),
    validate('query', FeedQuery),
    async (c) => {
      const { group_id: group } = c.req.valid('param')
      const { starting_after, include_pings: pings } = c.req.valid('query')
      await store.findGroup(c.var.tenant, group)
      const place = feedPlace(c.req.header('last-event-id'), starting_after)
      const start = place ? await startAfter(c.var.tenant, group, place) : await startNow(group)
      const next = (number: number) => store.nextGroupRun(group, number)
      return answerStream(c, {
        follow: (show, signal) => feed(log, start, { group, next, silenceMs: config.keepaliveMs, signal }, show),
        runOf: ({ run }: FeedPage) => run?.id ?? null,
        pings,
        view: viewFor({ includePings: pings, types: null, fern: false }),
        stallMs: config.readerStallMs,
        closing,
      })
    },
  )

  /** Without a cursor: the start of the run that works now, else the end of the last one. */
  async function startNow(group: string): Promise<FeedStart> {
    const run = await store.currentGroupRun(group)
    if (!run) return { run, number: 0, seq: 0, fresh: true }
    const open = run.status === 'created' || run.status === 'running'
    const position = await log.position(run.seq)
    if (position) return { run, number: run.seq, seq: open ? 0 : position.last, fresh: true }
    // It is not in the log yet, or no longer.
    return { run: undefined, number: open ? run.seq - 1 : run.seq, seq: 0, fresh: false }
  }

  /** @throws {NotFound} {InvalidArgument} {Expired}: a feed that cannot go on just there does not begin */
  async function startAfter(tenant: string, group: string, { run: number, seq }: FeedPlace): Promise<FeedStart> {
    if (number === 0) return { run: undefined, number, seq, fresh: false }
    const run = await store.findGroupRun(tenant, group, number)
    const { last } = await positionOf(log, run)
    if (seq > last) throw new InvalidArgument(`INVALID_ARGUMENT: Run number ${number} has no frame ${seq}; its last is ${last}`)
    return { run, number, seq, fresh: false }
  }
}
