import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { revise } from '../stream/revise.ts'
import { GroupId, MessageId } from '../wire/id.ts'
import { LettaMessage, MessagePatch } from '../wire/message.ts'
import { ListMessagesQuery } from '../wire/page.ts'
import { SendAsyncRequest, SendRequest } from '../wire/request.ts'
import { LettaResponse } from '../wire/response.ts'
import { Run } from '../wire/run.ts'
import { answerEvents, answerWhole, listMessages } from './answer.ts'
import { answers, events } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const ofGroup = validate('param', z.object({ group_id: GroupId }))

/** Talking to a group, and what was said in it (groups.md §2.10–2.15). */
export const groupMessageRoutes = (services: Services) => {
  const { store, requests } = services
  return new Hono<Caller>({ strict: false })
    .post(
      '/:group_id/messages',
      answers('Talk to a group', LettaResponse, { events, body: examples.send }),
      ofGroup,
      validate('json', SendRequest),
      async (c) => {
        const request = c.req.valid('json')
        const run = await requests.sendToGroup(c.var, c.req.valid('param').group_id, request, c.req.header('idempotency-key'))
        return request.streaming
          ? answerEvents(c, services, run, { after: 0, pings: request.include_pings })
          : await answerWhole(c, services, run)
      },
    )
    .post(
      '/:group_id/messages/stream',
      answers('Talk to a group, and read its events', events, { body: examples.stream }),
      ofGroup,
      validate('json', SendRequest),
      async (c) => {
        const request = c.req.valid('json')
        const key = c.req.header('idempotency-key')
        const run = await requests.sendToGroup(c.var, c.req.valid('param').group_id, { ...request, streaming: true }, key)
        return answerEvents(c, services, run, { after: 0, pings: request.include_pings })
      },
    )
    .post(
      '/:group_id/messages/async',
      answers('Talk to a group, without waiting', Run, { body: examples.send }),
      ofGroup,
      validate('json', SendAsyncRequest),
      async (c) => {
        const key = c.req.header('idempotency-key')
        const { id } = await requests.sendToGroup(c.var, c.req.valid('param').group_id, c.req.valid('json'), key)
        return c.json(await store.showRun(c.var.tenant, id))
      },
    )
    .get(
      '/:group_id/messages',
      answers('List what was said in a group, each utterance once', z.array(LettaMessage)),
      ofGroup,
      validate('query', ListMessagesQuery({ limit: 10, order: 'desc' })),
      async (c) => {
        const { group_id: group } = c.req.valid('param')
        const query = c.req.valid('query')
        await store.findGroup(c.var.tenant, group)
        return c.json(await listMessages(store, c.var.tenant, { group }, query))
      },
    )
    .patch(
      '/:group_id/messages/:message_id',
      answers('Change the text of a message', LettaMessage, { body: examples.patchMessage }),
      validate('param', z.object({ group_id: GroupId, message_id: MessageId })),
      validate('json', MessagePatch),
      async (c) => {
        const { group_id: group, message_id: id } = c.req.valid('param')
        const { row, message } = revise(await store.findGroupMessage(c.var.tenant, group, id), c.req.valid('json'))
        await store.setParts(row.id, row.parts)
        return c.json(message)
      },
    )
    .patch('/:group_id/reset-messages', answers('Delete all that was said in a group', z.null()), ofGroup, async (c) => {
      const { group_id: group } = c.req.valid('param')
      await store.findGroup(c.var.tenant, group)
      await store.resetGroup(c.var.tenant, group)
      return c.json(null)
    })
}
