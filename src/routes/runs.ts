import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { Expired } from '../errors.ts'
import { runUsage } from '../loop/usage.ts'
import { lastEventId } from '../stream/cursor.ts'
import { RunId } from '../wire/id.ts'
import { ListMessagesQuery, pageQuery } from '../wire/page.ts'
import { ResumeQuery, ResumeRequest } from '../wire/request.ts'
import { ListRunsQuery } from '../wire/run.ts'
import { answerEvents, listed } from './answer.ts'
import { validate } from './validate.ts'

const ofRun = validate('param', z.object({ run_id: RunId }))

/** Runs, their parts, and their streams (streaming.md §4). */
export const runRoutes = (services: Services) => {
  const { store, log, runs } = services
  return new Hono<Caller>({ strict: false })
    .get('/', validate('query', ListRunsQuery), async (c) => c.json(await store.listRuns(c.var.tenant, c.req.valid('query'))))
    .get('/active', validate('query', ListRunsQuery), async (c) =>
      c.json(await store.listRuns(c.var.tenant, { ...c.req.valid('query'), active: true })),
    )
    .get('/:run_id', ofRun, async (c) => c.json(await store.showRun(c.var.tenant, c.req.valid('param').run_id)))
    .get('/:run_id/messages', ofRun, validate('query', ListMessagesQuery({ limit: 100, order: 'asc' })), async (c) => {
      const query = c.req.valid('query')
      const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
      const rows = await store.listMessages(c.var.tenant, { run: run.id }, query)
      const types = query.include_return_message_types ?? run.admission.request.include_return_message_types
      return c.json(listed(rows, { ...query, include_return_message_types: types }))
    })
    .get('/:run_id/steps', ofRun, validate('query', pageQuery({ limit: 100, order: 'desc' })), async (c) =>
      c.json(await store.listSteps(c.var.tenant, c.req.valid('param').run_id, c.req.valid('query'))),
    )
    .get('/:run_id/usage', ofRun, async (c) => c.json(runUsage(await store.usageOf(c.var.tenant, c.req.valid('param').run_id))))
    .post('/:run_id/cancel', ofRun, async (c) => {
      const { run_id: id } = c.req.valid('param')
      await runs.cancel(c.var.tenant, id)
      return c.json(await store.showRun(c.var.tenant, id))
    })
    .post('/:run_id/stream', ofRun, validate('json', ResumeRequest), async (c) => {
      const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
      const { starting_after: after, include_pings: pings } = c.req.valid('json')
      const { last, final } = await position(run)
      // Nothing left: its `[DONE]` once more, at once.
      return answerEvents(c, services, run, { after: final ? Math.min(after ?? 0, last - 1) : (after ?? 0), pings })
    })
    .get('/:run_id/stream', ofRun, validate('query', ResumeQuery), async (c) => {
      const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
      const { starting_after, include_pings: pings } = c.req.valid('query')
      // The browser's own header, when it reconnects, is ahead of the address it was opened with.
      const after = Math.max(lastEventId(c.req.header('last-event-id')), starting_after)
      const { last, final } = await position(run)
      // The one answer that stops an EventSource (streaming.md §11).
      if (final && after >= last) return c.body(null, 204)
      return answerEvents(c, services, run, { after, pings })
    })

  async function position(run: { id: string; seq: number }) {
    const found = await log.position(run.seq)
    if (!found) throw new Expired(run.id)
    return found
  }
}
