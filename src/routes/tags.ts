import { Hono } from 'hono'
import type { Caller, Services } from '../services.ts'
import { ListTagsQuery } from '../wire/page.ts'
import { validate } from './validate.ts'

/** `/v1/tags`: those of all agents and blocks. */
export const tagRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false }).get('/', validate('query', ListTagsQuery), async (c) =>
    c.json(await store.listTags(c.var.tenant, c.req.valid('query'))),
  )
