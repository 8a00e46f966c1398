import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { expand } from '../stream/expand.ts'
import { MessageId } from '../wire/id.ts'
import { ListMessagesQuery } from '../wire/page.ts'
import { LettaMessage } from '../wire/message.ts'
import { listMessages } from './answer.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

/** `/v1/messages`: what was said to and by all agents (streaming.md §6.3). */
export const messageRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .get(
      '/',
      answers('List what was said to and by all agents', z.array(LettaMessage)),
      validate('query', ListMessagesQuery({ limit: 100, order: 'desc' })),
      async (c) => {
        return c.json(await listMessages(store, c.var.tenant, { all: true }, c.req.valid('query')))
      },
    )
    // One row, which may show as several messages.
    .get(
      '/:message_id',
      answers('Show one message, as the messages that it holds', z.array(LettaMessage)),
      validate('param', z.object({ message_id: MessageId })),
      async (c) => {
        return c.json(expand(await store.findMessage(c.var.tenant, c.req.valid('param').message_id)))
      },
    )
