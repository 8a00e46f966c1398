import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'

import { summarizeAgent } from '../loop/summarize.ts'
import { SummarizeRequest } from '../wire/agent.ts'
import { AgentId, MessageId } from '../wire/id.ts'
import { ListMessagesQuery } from '../wire/page.ts'
import { CancelRequest, ResetRequest, SendAsyncRequest, SendRequest } from '../wire/request.ts'
import { LettaMessage } from '../wire/message.ts'
import { Cancelled, LettaResponse, Summarized } from '../wire/response.ts'
import { Run } from '../wire/run.ts'
import { answerEvents, answerWhole, listMessages } from './answer.ts'
import { answers, events } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const ofAgent = validate('param', z.object({ agent_id: AgentId }))

/** Talking to one agent, and its history (streaming.md §0.2). */
export const agentMessageRoutes = (services: Services) => {
  const { store, runs, requests } = services
  return new Hono<Caller>({ strict: false })
    .post(
      '/:agent_id/messages',
      answers('Talk to an agent', LettaResponse, { events, body: examples.send }),
      ofAgent,
      validate('json', SendRequest),
      async (c) => {
        const request = c.req.valid('json')
        const run = await requests.sendToAgent(c.var, c.req.valid('param').agent_id, request, c.req.header('idempotency-key'))
        return request.streaming
          ? answerEvents(c, services, run, { after: 0, pings: request.include_pings })
          : await answerWhole(c, services, run)
      },
    )
    .post(
      '/:agent_id/messages/stream',
      answers('Talk to an agent, and read its events', events, { body: examples.stream }),
      ofAgent,
      validate('json', SendRequest),
      async (c) => {
        const request = c.req.valid('json')
        const key = c.req.header('idempotency-key')
        const run = await requests.sendToAgent(c.var, c.req.valid('param').agent_id, { ...request, streaming: true }, key)
        return answerEvents(c, services, run, { after: 0, pings: request.include_pings })
      },
    )
    .post(
      '/:agent_id/messages/async',
      answers('Talk to an agent, without waiting', Run, { body: examples.send }),
      ofAgent,
      validate('json', SendAsyncRequest),
      async (c) => {
        const key = c.req.header('idempotency-key')
        const { id } = await requests.sendToAgent(c.var, c.req.valid('param').agent_id, c.req.valid('json'), key)
        return c.json(await store.showRun(c.var.tenant, id))
      },
    )
    .post(
      '/:agent_id/messages/cancel',
      answers('Cancel what an agent works on', Cancelled),
      ofAgent,
      validate('json', CancelRequest),
      async (c) => {
        const { agent_id: agent } = c.req.valid('param')
        return c.json(await runs.cancelOf(c.var.tenant, agent, c.req.valid('json').run_ids ?? undefined))
      },
    )
    .get(
      '/:agent_id/messages',
      answers('List an agent’s messages', z.array(LettaMessage)),
      ofAgent,
      validate('query', ListMessagesQuery({ limit: 100, order: 'desc' })),
      async (c) => {
        const { agent_id: agent } = c.req.valid('param')
        const query = c.req.valid('query')
        await store.findAgent(c.var.tenant, agent)
        return c.json(await listMessages(store, c.var.tenant, { agent, group: query.group_id }, query))
      },
    )
    .patch(
      '/:agent_id/messages/:message_id',
      answers('Messages of an agent are immutable: always 405', z.never()),
      validate('param', z.object({ agent_id: AgentId, message_id: MessageId })),
      (c) => c.json({ detail: 'Messages of an agent are immutable; this route is no longer supported' }, 405),
    )
    .post(
      '/:agent_id/summarize',
      answers('Summarise an agent’s older messages', Summarized),
      ofAgent,
      validate('json', SummarizeRequest),
      async (c) => {
        const { compaction_settings } = c.req.valid('json')
        const settings = compaction_settings ?? undefined
        return c.json(
          await summarizeAgent(services, c.var.tenant, c.req.valid('param').agent_id, { settings, signal: c.req.raw.signal }),
        )
      },
    )
    .patch(
      '/:agent_id/reset-messages',
      answers('Clear an agent’s context; its messages are still listed', z.null()),
      ofAgent,
      validate('json', ResetRequest),
      async (c) => {
        const { agent_id: agent } = c.req.valid('param')
        await store.findAgent(c.var.tenant, agent)
        await store.resetAgent(c.var.tenant, agent)
        return c.json(null)
      },
    )
}
