import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { Block, CreateBlock, ListBlocksQuery, UpdateBlock } from '../wire/block.ts'
import { AgentRelations, AgentState } from '../wire/agent.ts'
import { BlockId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { answers } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const AgentsQuery = pageQuery({ limit: 50, order: 'desc' }).extend(AgentRelations.shape)
const OfBlock = z.object({ block_id: BlockId })

/** `/v1/blocks`: memory that agents may share (groups.md §4.3). */
export const blockRoutes = ({ store }: Services) =>
  new Hono<Caller>({ strict: false })
    .post('/', answers('Make a block', Block, { body: examples.createBlock }), validate('json', CreateBlock), async (c) => {
      return c.json((await store.createBlock(c.var.tenant, c.req.valid('json'))) satisfies Block)
    })
    .get('/', answers('List blocks', z.array(Block)), validate('query', ListBlocksQuery), async (c) => {
      return c.json((await store.listBlocks(c.var.tenant, c.req.valid('query'))) satisfies Block[])
    })
    .get('/count', answers('Count blocks', z.int()), validate('query', ListBlocksQuery), async (c) => {
      return c.json(await store.countBlocks(c.var.tenant, c.req.valid('query')))
    })
    .get('/:block_id', answers('Show a block', Block), validate('param', OfBlock), async (c) => {
      return c.json((await store.findBlock(c.var.tenant, c.req.valid('param').block_id)) satisfies Block)
    })
    .get(
      '/:block_id/agents',
      answers('List the agents that have a block', z.array(AgentState)),
      validate('param', OfBlock),
      validate('query', AgentsQuery),
      async (c) => {
        const { block_id } = c.req.valid('param')
        return c.json((await store.agentsOfBlock(c.var.tenant, block_id, c.req.valid('query'))) satisfies AgentState[])
      },
    )
    .patch(
      '/:block_id',
      answers('Change a block', Block, { body: { value: 'We meet on Friday.' } }),
      validate('param', OfBlock),
      validate('json', UpdateBlock),
      async (c) => {
        const { block_id } = c.req.valid('param')
        return c.json((await store.updateBlock(c.var.tenant, block_id, c.req.valid('json'))) satisfies Block)
      },
    )
    .delete('/:block_id', answers('Delete a block', z.null()), validate('param', OfBlock), async (c) => {
      await store.deleteBlock(c.var.tenant, c.req.valid('param').block_id)
      return c.json(null)
    })
