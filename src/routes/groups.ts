import { Hono } from 'hono'
import { z } from 'zod'
import { refuseGroup } from '../loop/limits.ts'
import type { Caller, Services } from '../services.ts'
import { Group, GroupCreate, GroupUpdate, ListGroupsQuery } from '../wire/group.ts'
import { BlockId, GroupId } from '../wire/id.ts'
import { Deleted } from '../wire/response.ts'
import { answers } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const OfGroup = z.object({ group_id: GroupId })
const OfBlock = z.object({ group_id: GroupId, block_id: BlockId })

/** `/v1/groups` without their messages (groups.md §2). */
export const groupRoutes = ({ store, config }: Services) =>
  new Hono<Caller>({ strict: false })
    .post('/', answers('Make a group', Group, { body: examples.createGroup }), validate('json', GroupCreate), async (c) => {
      refuseGroup(config.limits, c.req.valid('json'))
      return c.json((await store.createGroup(c.var.tenant, c.req.valid('json'))) satisfies Group)
    })
    .get('/', answers('List groups', z.array(Group)), validate('query', ListGroupsQuery), async (c) => {
      return c.json((await store.listGroups(c.var.tenant, c.req.valid('query'))) satisfies Group[])
    })
    .get('/count', answers('Count groups', z.int()), async (c) => c.json(await store.countGroups(c.var.tenant)))
    .get('/:group_id', answers('Show a group', Group), validate('param', OfGroup), async (c) => {
      return c.json((await store.findGroup(c.var.tenant, c.req.valid('param').group_id)) satisfies Group)
    })
    .patch(
      '/:group_id',
      answers('Change a group', Group, { body: { description: 'Planning a long weekend' } }),
      validate('param', OfGroup),
      validate('json', GroupUpdate),
      async (c) => {
        const { group_id } = c.req.valid('param')
        refuseGroup(config.limits, c.req.valid('json'))
        return c.json((await store.updateGroup(c.var.tenant, group_id, c.req.valid('json'))) satisfies Group)
      },
    )
    .delete('/:group_id', answers('Delete a group; its agents stay', Deleted), validate('param', OfGroup), async (c) => {
      const { group_id } = c.req.valid('param')
      await store.deleteGroup(c.var.tenant, group_id)
      return c.json({ message: `Group id=${group_id} successfully deleted` })
    })
    .patch(
      '/:group_id/blocks/attach/:block_id',
      answers('Share a block among all members', z.null()),
      validate('param', OfBlock),
      async (c) => {
        const { group_id, block_id } = c.req.valid('param')
        await store.attachGroupBlock(c.var.tenant, group_id, block_id)
        return c.json(null)
      },
    )
    .patch(
      '/:group_id/blocks/detach/:block_id',
      answers('Share a block no longer', z.null()),
      validate('param', OfBlock),
      async (c) => {
        const { group_id, block_id } = c.req.valid('param')
        await store.detachGroupBlock(c.var.tenant, group_id, block_id)
        return c.json(null)
      },
    )
