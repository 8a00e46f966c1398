import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { NoTraces } from '../errors.ts'
import { runUsage } from '../loop/usage.ts'
import { lastEventId } from '../stream/cursor.ts'
import { RunId } from '../wire/id.ts'
import { ListMessagesQuery, pageQuery } from '../wire/page.ts'
import { ResumeQuery, ResumeRequest } from '../wire/request.ts'
import { ListRunsQuery, Run, Step } from '../wire/run.ts'
import { RunMetrics } from '../wire/step.ts'
import { LettaMessage } from '../wire/message.ts'
import { RunUsage } from '../wire/usage.ts'
import { answerEvents, listMessages, positionOf, refuseFuture, resumeAfter } from './answer.ts'
import { answers, events } from './describe.ts'
import { validate } from './validate.ts'

const ofRun = validate('param', z.object({ run_id: RunId }))

/** Runs, their parts, and their streams (streaming.md §4). */
export const runRoutes = (services: Services) => {
  const { store, log, runs } = services
  return new Hono<Caller>({ strict: false })
    .get('/', answers('List runs', z.array(Run)), validate('query', ListRunsQuery), async (c) =>
      c.json(await store.listRuns(c.var.tenant, c.req.valid('query'))),
    )
    .get('/active', answers('List runs that have not ended', z.array(Run)), validate('query', ListRunsQuery), async (c) =>
      c.json(await store.listRuns(c.var.tenant, { ...c.req.valid('query'), active: true })),
    )
    .get('/:run_id', answers('Show a run', Run), ofRun, async (c) =>
      c.json(await store.showRun(c.var.tenant, c.req.valid('param').run_id)),
    )
    .get(
      '/:run_id/messages',
      answers('List what was said in a run', z.array(LettaMessage)),
      ofRun,
      validate('query', ListMessagesQuery({ limit: 100, order: 'asc' })),
      async (c) => {
        const query = c.req.valid('query')
        const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
        const types = query.include_return_message_types ?? run.admission.request.include_return_message_types
        const asked = { ...query, include_return_message_types: types }
        return c.json(await listMessages(store, c.var.tenant, { run: run.id }, asked))
      },
    )
    .get(
      '/:run_id/steps',
      answers('List the model calls of a run', z.array(Step)),
      ofRun,
      validate('query', pageQuery({ limit: 100, order: 'desc' })),
      async (c) => c.json(await store.stepsOfRun(c.var.tenant, c.req.valid('param').run_id, c.req.valid('query'))),
    )
    .get('/:run_id/usage', answers('Count the tokens of a run', RunUsage), ofRun, async (c) =>
      c.json(runUsage(await store.usageOf(c.var.tenant, c.req.valid('param').run_id))),
    )
    .get('/:run_id/metrics', answers('Say how a run went', RunMetrics), ofRun, async (c) => {
      return c.json((await store.metricsOfRun(c.var.tenant, c.req.valid('param').run_id)) satisfies RunMetrics)
    })
    .get('/:run_id/trace', answers('Traces are not stored here: always 501', z.never()), ofRun, async (c) => {
      await store.findRun(c.var.tenant, c.req.valid('param').run_id)
      throw new NoTraces()
    })
    .delete('/:run_id', answers('Delete a run with its frames and steps', z.null()), ofRun, async (c) => {
      await store.deleteRun(c.var.tenant, c.req.valid('param').run_id)
      return c.json(null)
    })
    .post('/:run_id/cancel', answers('Cancel a run', Run), ofRun, async (c) => {
      const { run_id: id } = c.req.valid('param')
      await runs.cancel(c.var.tenant, id)
      return c.json(await store.showRun(c.var.tenant, id))
    })
    .post(
      '/:run_id/stream',
      answers('Follow a run, from a frame on', events, { body: { starting_after: 40 } }),
      ofRun,
      validate('json', ResumeRequest),
      async (c) => {
        const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
        const { starting_after: after, include_pings: pings } = c.req.valid('json')
        return answerEvents(c, services, run, { after: await resumeAfter(services, run, after), pings })
      },
    )
    .get(
      '/:run_id/stream',
      answers('Follow a run by an EventSource', events, {
        also: { 204: 'The run has ended and there is nothing left: an EventSource stops' },
      }),
      ofRun,
      validate('query', ResumeQuery),
      async (c) => {
        const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
        const { starting_after, include_pings: pings } = c.req.valid('query')
        // The browser's own header, when it reconnects, is ahead of the address it was opened with.
        const after = Math.max(lastEventId(c.req.header('last-event-id')), starting_after)
        const { last, final } = await positionOf(log, run)
        // The one answer that stops an EventSource (streaming.md §11).
        if (final && after >= last) return c.body(null, 204)
        refuseFuture(after, last, final)
        return answerEvents(c, services, run, { after, pings })
      },
    )
}
