import { Hono } from 'hono'
import type { RouterRoute } from 'hono/types'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { z } from 'zod'
import pkg from '../../package.json' with { type: 'json' }
import type { Caller } from '../services.ts'
import * as agent from '../wire/agent.ts'
import * as block from '../wire/block.ts'
import * as completion from '../wire/completion.ts'
import * as content from '../wire/content.ts'
import * as group from '../wire/group.ts'
import * as key from '../wire/key.ts'
import * as message from '../wire/message.ts'
import * as model from '../wire/model.ts'
import * as request from '../wire/request.ts'
import * as response from '../wire/response.ts'
import * as run from '../wire/run.ts'
import * as step from '../wire/step.ts'
import * as tool from '../wire/tool.ts'
import * as usage from '../wire/usage.ts'
import { type Description, descriptionOf } from './describe.ts'
import { referencePage, referenceStyle } from './reference.ts'
import { validationOf } from './validate.ts'

/** `/openapi.json`, and the same to read at `/docs/api`. `routes` are all of the app's. */
export const openApiRoutes = (routes: () => RouterRoute[]) => {
  let made: ReturnType<typeof describeApi> | undefined
  const document = () => (made ??= describeApi(routes()))
  let page: Awaited<ReturnType<typeof referencePage>> | undefined
  return new Hono<Caller>({ strict: false })
    .get('/openapi.json', (c) => c.json(document()))
    .get('/docs/api.css', (c) => c.body(referenceStyle, 200, { 'content-type': 'text/css' }))
    .get('/docs/api', async (c) => c.html((page ??= await referencePage(document()))))
}

/** Schemas that are a definition of their own in the document, under the names that they have here. */
const named = {
  ...agent,
  ...block,
  ...completion,
  ...content,
  ...group,
  ...key,
  ...message,
  ...model,
  ...request,
  ...response,
  ...run,
  ...step,
  ...tool,
  ...usage,
}

/** Queries are shown parameter by parameter. */
const isDefinition = (name: string, value: unknown): value is z.ZodType => value instanceof z.ZodType && !name.endsWith('Query')

/**
 * The OpenAPI document of the routes that say what they answer: paths, parameters and bodies are what their validators check.
 */
export function describeApi(routes: RouterRoute[]) {
  for (const [id, schema] of Object.entries(named)) {
    if (isDefinition(id, schema)) z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id })
  }
  const paths: ZodOpenApiPathsObject = {}
  for (const { method, path, description, checks } of operationsOf(routes)) {
    paths[path] = { ...paths[path], [method]: operation(method, path, description, checks) }
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Roundtable',
        version: pkg.version,
        description:
          'Conversations among several LLM agents, in the Letta V1 wire format. Every path has its alias below /latest.',
      },
      paths,
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }, {}],
    },
    {
      // What a query spells `true` is a boolean to everybody else.
      override: ({ zodSchema, jsonSchema, io }) => {
        if (io === 'input' && zodSchema instanceof z.ZodCodec && zodSchema.out instanceof z.ZodBoolean)
          jsonSchema.type = 'boolean'
      },
    },
  )
}

interface Operation {
  method: string
  path: string
  description: Description
  checks: Partial<Record<string, z.ZodType>>
}

/** Hono lists each handler by itself: those of one route follow each other. */
export function operationsOf(routes: RouterRoute[]): Operation[] {
  const operations = new Map<string, Operation>()
  for (const { method, path, handler } of routes) {
    if (path.startsWith('/latest/')) continue
    const route = `${method} ${path}`
    const description = descriptionOf(handler)
    if (description) operations.set(route, { method: method.toLowerCase(), path: template(path), description, checks: {} })
    const checked = validationOf(handler)
    const known = operations.get(route)
    if (checked && known) known.checks[checked.target] = checked.schema
  }
  return [...operations.values()]
}

/** `/v1/agents/:agent_id/blocks/:label{.+}` → `/v1/agents/{agent_id}/blocks/{label}` */
const template = (path: string) => path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')

function operation(
  method: string,
  path: string,
  { summary, answer, events, refusal, also, body }: Description,
  checks: Operation['checks'],
) {
  const { param, query, json } = checks
  const never = answer instanceof z.ZodNever
  const answered = {
    ...(events !== answer && { 'application/json': { schema: answer } }),
    ...(events && { 'text/event-stream': { schema: events } }),
  }
  const others = Object.entries(also).map(([status, description]) => [status, { description }])
  return {
    tags: [path.split('/').find((part) => part !== '' && part !== 'v1') ?? ''],
    operationId: `${method}_${path.split('/').slice(2).join('_').replaceAll(/[{}]/g, '').replaceAll(/\W/g, '_')}`,
    summary,
    requestParams: { ...(param && { path: param }), ...(query && { query }) } as ZodOpenApiOperationObject['requestParams'],
    ...(json && {
      requestBody: {
        required: !json.safeParse(undefined).success,
        content: { 'application/json': { schema: json, ...(body !== undefined && { example: body }) } },
      },
    }),
    responses: {
      ...(!never && { 200: { description: 'Done', content: answered } }),
      ...Object.fromEntries(others),
      default: { description: 'Refused, or failed', content: { 'application/json': { schema: refusal } } },
    },
  } as ZodOpenApiOperationObject
}
