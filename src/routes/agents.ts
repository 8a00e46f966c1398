import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { AgentRelations, AgentState, CreateAgent, ListAgentsQuery, Memory, UpdateAgent } from '../wire/agent.ts'
import { Block, UpdateBlock } from '../wire/block.ts'
import { Group, ListGroupsQuery } from '../wire/group.ts'
import { AgentId, BlockId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { addCompanion } from '../loop/companion.ts'
import { describeModel, handleOf, newAgent } from '../loop/new-agent.ts'
import { Deleted } from '../wire/response.ts'
import { answers } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const OfAgent = z.object({ agent_id: AgentId })
const OfBlock = z.object({ agent_id: AgentId, block_id: BlockId })
const OfLabel = z.object({ agent_id: AgentId, block_label: z.string() })
const BlocksQuery = pageQuery({ limit: 100, order: 'desc' })
const GroupsQuery = ListGroupsQuery.extend(pageQuery({ limit: 100, order: 'desc' }).shape)

/** `/v1/agents`: agents and what hangs on them (groups.md §4.2). */
export const agentRoutes = (services: Services) => {
  const { config, store, providers } = services
  return (
    new Hono<Caller>({ strict: false })
      .post(
        '/',
        answers('Make an agent', AgentState, { body: examples.createAgent }),
        validate('json', CreateAgent),
        async (c) => {
          const agent = newAgent(c.req.valid('json'), providers, config.defaultModel)
          const made = await store.createAgent(c.var.tenant, agent)
          return c.json((await addCompanion(services, c.var.tenant, made)) satisfies AgentState)
        },
      )
      .get('/', answers('List agents', z.array(AgentState)), validate('query', ListAgentsQuery), async (c) => {
        return c.json((await store.listAgents(c.var.tenant, c.req.valid('query'))) satisfies AgentState[])
      })
      .get('/count', answers('Count agents', z.int()), validate('query', ListAgentsQuery), async (c) => {
        return c.json(await store.countAgents(c.var.tenant, c.req.valid('query')))
      })
      .get(
        '/:agent_id',
        answers('Show an agent', AgentState),
        validate('param', OfAgent),
        validate('query', AgentRelations),
        async (c) => {
          return c.json((await store.findAgent(c.var.tenant, c.req.valid('param').agent_id)) satisfies AgentState)
        },
      )
      .patch(
        '/:agent_id',
        answers('Change an agent', AgentState, { body: examples.updateAgent }),
        validate('param', OfAgent),
        validate('json', UpdateAgent),
        async (c) => {
          const { agent_id } = c.req.valid('param')
          const update = c.req.valid('json')
          const handle = handleOf(update)
          const model = handle === undefined ? undefined : describeModel(handle, providers)
          const updated = await store.updateAgent(c.var.tenant, agent_id, update, model)
          return c.json((await addCompanion(services, c.var.tenant, updated)) satisfies AgentState)
        },
      )
      .delete('/:agent_id', answers('Delete an agent', Deleted), validate('param', OfAgent), async (c) => {
        const { agent_id } = c.req.valid('param')
        await store.deleteAgent(c.var.tenant, agent_id)
        return c.json({ message: `Agent id=${agent_id} successfully deleted` })
      })
      .get(
        '/:agent_id/groups',
        answers('List the groups that an agent is a member of', z.array(Group)),
        validate('param', OfAgent),
        validate('query', GroupsQuery),
        async (c) => {
          const { agent_id } = c.req.valid('param')
          return c.json((await store.groupsOfAgent(c.var.tenant, agent_id, c.req.valid('query'))) satisfies Group[])
        },
      )
      .get('/:agent_id/core-memory', answers('Show an agent’s memory', Memory), validate('param', OfAgent), async (c) => {
        const { memory } = await store.findAgent(c.var.tenant, c.req.valid('param').agent_id)
        return c.json(memory)
      })
      .get(
        '/:agent_id/core-memory/blocks',
        answers('List what an agent remembers', z.array(Block)),
        validate('param', OfAgent),
        validate('query', BlocksQuery),
        async (c) => {
          const { agent_id } = c.req.valid('param')
          return c.json((await store.blocksOfAgent(c.var.tenant, agent_id, c.req.valid('query'))) satisfies Block[])
        },
      )
      // Before the routes by label: `attach` could be one.
      .patch(
        '/:agent_id/core-memory/blocks/attach/:block_id',
        answers('Give an agent a block', AgentState),
        validate('param', OfBlock),
        async (c) => {
          const { agent_id, block_id } = c.req.valid('param')
          await store.attachBlock(c.var.tenant, agent_id, block_id)
          return c.json((await store.findAgent(c.var.tenant, agent_id)) satisfies AgentState)
        },
      )
      .patch(
        '/:agent_id/core-memory/blocks/detach/:block_id',
        answers('Take a block from an agent', AgentState),
        validate('param', OfBlock),
        async (c) => {
          const { agent_id, block_id } = c.req.valid('param')
          await store.detachBlock(c.var.tenant, agent_id, block_id)
          return c.json((await store.findAgent(c.var.tenant, agent_id)) satisfies AgentState)
        },
      )
      // A label may have slashes in it.
      .get(
        '/:agent_id/core-memory/blocks/:block_label{.+}',
        answers('Show an agent’s block', Block),
        validate('param', OfLabel),
        async (c) => {
          const { agent_id, block_label } = c.req.valid('param')
          return c.json((await store.findAgentBlock(c.var.tenant, agent_id, block_label)) satisfies Block)
        },
      )
      .patch(
        '/:agent_id/core-memory/blocks/:block_label{.+}',
        answers('Change an agent’s block', Block),
        validate('param', OfLabel),
        validate('json', UpdateBlock),
        async (c) => {
          const { agent_id, block_label } = c.req.valid('param')
          const { id } = await store.findAgentBlock(c.var.tenant, agent_id, block_label)
          return c.json((await store.updateBlock(c.var.tenant, id, c.req.valid('json'))) satisfies Block)
        },
      )
  )
}
