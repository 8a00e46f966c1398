import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { GroupId, RunId } from '../wire/id.ts'
import { Ticket } from '../wire/key.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

/** Who may read a run or a group may open its stream to a browser for a while. */
export const ticketRoutes = ({ store, tickets }: Services) =>
  new Hono<Caller>({ strict: false })
    .post(
      '/runs/:run_id/tickets',
      answers('Open the stream of a run to a browser for a while', Ticket),
      validate('param', z.object({ run_id: RunId })),
      async (c) => {
        const run = await store.findRun(c.var.tenant, c.req.valid('param').run_id)
        return c.json(tickets.issue(run.id, c.var.key?.id ?? null) satisfies Ticket)
      },
    )
    .post(
      '/groups/:group_id/tickets',
      answers('Open the stream of a group to a browser for a while', Ticket),
      validate('param', z.object({ group_id: GroupId })),
      async (c) => {
        const group = await store.findGroup(c.var.tenant, c.req.valid('param').group_id)
        return c.json(tickets.issue(group.id, c.var.key?.id ?? null) satisfies Ticket)
      },
    )
