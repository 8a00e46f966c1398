import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { ListTagsQuery } from '../wire/page.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

/** `/v1/tags`: those of all agents and blocks. */
export const tagRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false }).get(
    '/',
    answers('List the tags of agents and blocks', z.array(z.string())),
    validate('query', ListTagsQuery),
    async (c) => c.json(await store.listTags(c.var.tenant, c.req.valid('query'))),
  )
