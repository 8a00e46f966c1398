import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { StepId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { Step } from '../wire/run.ts'
import { ListStepsQuery, StepFeedback, StepMetrics } from '../wire/step.ts'
import { LettaMessage } from '../wire/message.ts'
import { listMessages } from './answer.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

const ofStep = validate('param', z.object({ step_id: StepId }))

/** `/v1/steps`: the model calls of all runs (streaming.md §4.10). */
export const stepRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .get('/', answers('List model calls', z.array(Step)), validate('query', ListStepsQuery), async (c) => {
      return c.json((await store.listSteps(c.var.tenant, c.req.valid('query'))) satisfies Step[])
    })
    .get('/:step_id', answers('Show a model call', Step), ofStep, async (c) => {
      return c.json((await store.findStep(c.var.tenant, c.req.valid('param').step_id)) satisfies Step)
    })
    .patch(
      '/:step_id/feedback',
      answers('Judge a model call', Step, { body: { feedback: 'positive' } }),
      ofStep,
      validate('json', StepFeedback),
      async (c) => {
        const { step_id } = c.req.valid('param')
        return c.json((await store.judgeStep(c.var.tenant, step_id, c.req.valid('json'))) satisfies Step)
      },
    )
    .get(
      '/:step_id/messages',
      answers('List what was said in a step', z.array(LettaMessage)),
      ofStep,
      validate('query', pageQuery({ limit: 100, order: 'asc' })),
      async (c) => {
        const { id, agent_id } = await store.findStep(c.var.tenant, c.req.valid('param').step_id)
        const query = { ...c.req.valid('query'), include_return_message_types: null }
        return c.json(await listMessages(store, c.var.tenant, { step: id, of: agent_id! }, query))
      },
    )
    .get('/:step_id/metrics', answers('Say how long a step took', StepMetrics), ofStep, async (c) => {
      return c.json((await store.metricsOfStep(c.var.tenant, c.req.valid('param').step_id)) satisfies StepMetrics)
    })
    // What was sent to a provider is not stored, and null is how the format says so.
    .get('/:step_id/trace', answers('What was sent to a provider is not stored: always null', z.null()), ofStep, async (c) => {
      await store.findStep(c.var.tenant, c.req.valid('param').step_id)
      return c.json(null)
    })
