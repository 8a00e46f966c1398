import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { changedTool, newTool, toRun } from '../tools/custom.ts'
import type { Toolbox } from '../tools/index.ts'
import { ToolId } from '../wire/id.ts'
import { ToolReturnMessage, wireDate } from '../wire/message.ts'
import { CreateTool, ListToolsQuery, RunSource, Tool, UpdateTool } from '../wire/tool.ts'
import { tried } from './tried.ts'
import { answers } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const OfTool = z.object({ tool_id: ToolId })

/** `/v1/tools`: what agents can be given to do (groups.md §4.4). */
export const toolRoutes = ({ store, tools }: Pick<Services, 'store'> & { tools: Toolbox }) =>
  new Hono<Caller>({ strict: false })
    .on(
      ['POST', 'PUT'],
      '/',
      answers('Make a tool, or replace the one of that name', Tool, { body: examples.createTool }),
      validate('json', CreateTool),
      async (c) => {
        return c.json((await store.saveTool(c.var.tenant, newTool(c.req.valid('json')))) satisfies Tool)
      },
    )
    .get('/', answers('List tools', z.array(Tool)), validate('query', ListToolsQuery), async (c) => {
      return c.json((await store.listTools(c.var.tenant, c.req.valid('query'))) satisfies Tool[])
    })
    .get('/count', answers('Count tools', z.int()), validate('query', ListToolsQuery), async (c) => {
      return c.json(await store.countTools(c.var.tenant, c.req.valid('query')))
    })
    .post('/add-base-tools', answers('Make the built-in tools, where they are missing', z.array(Tool)), async (c) => {
      return c.json((await store.ensureTools(c.var.tenant, tools.baseTools)) satisfies Tool[])
    })
    .post(
      '/run',
      answers('Run a tool’s source', ToolReturnMessage, { body: examples.runSource }),
      validate('json', RunSource),
      async (c) => {
        const request = c.req.valid('json')
        const source = toRun(request)
        const { status, text, stdout, stderr } = await tried(
          tools.runSource(source, request.args, request.env_vars, c.req.raw.signal),
        )
        const result = { tool_return: text, status, tool_call_id: 'null', stdout, stderr }
        return c.json({
          id: 'null',
          date: wireDate(Date.now()),
          name: source.name,
          message_type: 'tool_return_message',
          otid: null,
          sender_id: null,
          step_id: null,
          is_err: status === 'error',
          seq_id: null,
          run_id: null,
          ...result,
          tool_returns: [{ type: 'tool', ...result }],
        } satisfies ToolReturnMessage)
      },
    )
    .get('/:tool_id', answers('Show a tool', Tool), validate('param', OfTool), async (c) => {
      return c.json((await store.findTool(c.var.tenant, c.req.valid('param').tool_id)) satisfies Tool)
    })
    .patch(
      '/:tool_id',
      answers('Change a tool', Tool, { body: { return_char_limit: 2000 } }),
      validate('param', OfTool),
      validate('json', UpdateTool),
      async (c) => {
        const { tool_id } = c.req.valid('param')
        const update = c.req.valid('json')
        return c.json((await store.editTool(c.var.tenant, tool_id, (tool) => changedTool(tool, update))) satisfies Tool)
      },
    )
    .delete('/:tool_id', answers('Delete a tool', z.null()), validate('param', OfTool), async (c) => {
      await store.deleteTool(c.var.tenant, c.req.valid('param').tool_id)
      return c.json(null)
    })
