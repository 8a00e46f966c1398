import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { InvalidFields, NotFound } from '../errors.ts'
import type { Toolbox } from '../tools/index.ts'
import { AgentState } from '../wire/agent.ts'
import { AgentId, newId, ToolId } from '../wire/id.ts'
import { pageQuery } from '../wire/page.ts'
import { ModifyApproval, RunTool, Tool, ToolExecutionResult } from '../wire/tool.ts'
import { tried } from './tried.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

const OfAgent = z.object({ agent_id: AgentId })
const OfTool = z.object({ agent_id: AgentId, tool_id: ToolId })
const OfName = z.object({ agent_id: AgentId, tool_name: z.string() })
const ApprovalQuery = z.object({ requires_approval: z.stringbool().optional().describe('Deprecated: the body') })

/** `/v1/agents/{agent_id}/tools`: what one agent has (groups.md §4.4). */
export const agentToolRoutes = ({ store, tools }: Pick<Services, 'store'> & { tools: Toolbox }) =>
  new Hono<Caller>({ strict: false })
    .get(
      '/:agent_id/tools',
      answers('List an agent’s tools', z.array(Tool)),
      validate('param', OfAgent),
      validate('query', pageQuery({ limit: 10, order: 'desc' })),
      async (c) => {
        const { agent_id } = c.req.valid('param')
        return c.json((await store.toolsOfAgent(c.var.tenant, agent_id, c.req.valid('query'))) satisfies Tool[])
      },
    )
    .patch(
      '/:agent_id/tools/attach/:tool_id',
      answers('Give an agent a tool', AgentState),
      validate('param', OfTool),
      async (c) => {
        const { agent_id, tool_id } = c.req.valid('param')
        await store.attachTool(c.var.tenant, agent_id, tool_id)
        return c.json((await store.findAgent(c.var.tenant, agent_id)) satisfies AgentState)
      },
    )
    .patch(
      '/:agent_id/tools/detach/:tool_id',
      answers('Take a tool from an agent', AgentState),
      validate('param', OfTool),
      async (c) => {
        const { agent_id, tool_id } = c.req.valid('param')
        await store.detachTool(c.var.tenant, agent_id, tool_id)
        return c.json((await store.findAgent(c.var.tenant, agent_id)) satisfies AgentState)
      },
    )
    .patch(
      '/:agent_id/tools/approval/:tool_name',
      answers('Say whether a tool of an agent needs leave', AgentState, { body: { requires_approval: true } }),
      validate('param', OfName),
      validate('query', ApprovalQuery),
      validate('json', ModifyApproval),
      async (c) => {
        const { agent_id, tool_name } = c.req.valid('param')
        const required = c.req.valid('json')?.requires_approval ?? c.req.valid('query').requires_approval
        if (required === undefined) throw unsaid()
        await store.setApproval(c.var.tenant, agent_id, tool_name, required)
        return c.json((await store.findAgent(c.var.tenant, agent_id)) satisfies AgentState)
      },
    )
    .post(
      '/:agent_id/tools/:tool_name/run',
      answers('Run a tool of an agent', ToolExecutionResult, { body: { args: { query: 'the weekend' } } }),
      validate('param', OfName),
      validate('json', RunTool),
      async (c) => {
        const { tenant } = c.var
        const { agent_id, tool_name } = c.req.valid('param')
        const agent = await store.findAgent(tenant, agent_id)
        const tool = agent.tools.find(({ name }) => name === tool_name)
        if (!tool) throw new NotFound('tool of this agent', tool_name)
        const call = { store, tenant, payer: c.var.key?.id ?? null, agent, signal: c.req.raw.signal, callKey: newId('call') }
        const { status, text, stdout, stderr } = await tried(tools.run(tool, c.req.valid('json').args, call))
        const failed = status === 'error'
        return c.json({
          status,
          func_return: failed ? null : text,
          agent_state: null,
          stdout,
          stderr: failed ? [...stderr, text] : stderr,
          sandbox_config_fingerprint: null,
        } satisfies ToolExecutionResult)
      },
    )

const unsaid = () =>
  new InvalidFields(
    'body',
    new z.ZodError([{ code: 'custom', path: ['requires_approval'], message: 'is required', input: undefined }]),
    {},
  )
