import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { descriptionOf } from '../../src/routes/describe.ts'
import { newId } from '../../src/wire/id.ts'
import type { Key } from '../../src/wire/key.ts'
import type { Api } from '../support/api.ts'

export interface Route {
  method: string
  path: string
  /** The example of the API's description. */
  body: unknown
}

/** The app with nothing behind it: enough to look at its routes. */
export function allRoutes(): Route[] {
  const routes = new Map<string, Route>()
  for (const { method, path, handler } of createApp({ config: readConfig({}), tools: {} } as never).routes) {
    if (method === 'ALL') continue
    const known = routes.get(`${method} ${path}`) ?? { method, path, body: undefined }
    known.body ??= descriptionOf(handler)?.body
    routes.set(`${method} ${path}`, known)
  }
  return [...routes.values()]
}

export const isUnsafe = ({ method }: Route): boolean => method !== 'GET'

export type Ids = Record<string, string>

/** One of everything that a path can name, all of it the caller's. */
export async function belongings(api: Api): Promise<Ids> {
  const { id: tool } = await api.post<{ id: string }>('/v1/tools/', {
    source_code: 'def ana_secret_tool():\n    """x"""\n    return 1',
    source_type: 'python',
    json_schema: { name: 'ana_secret_tool', description: 'x', parameters: { type: 'object', properties: {} } },
  })
  const memory = { memory_blocks: [{ label: 'persona', value: 'ana-secret' }] }
  const agent = await api.agent({ name: 'ana-secret', tool_ids: [tool], tags: ['ana-secret'], ...memory })
  const group = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [agent.id], description: 'ana-secret' })
  const sent = await api.call('POST', `/v1/groups/${group.id}/messages`, { input: 'ana-secret' })
  const run_id = sent.headers.get('x-letta-run-id')!
  const [message] = await api.get<{ id: string }[]>(`/v1/runs/${run_id}/messages`)
  const [step] = await api.get<{ id: string }[]>(`/v1/runs/${run_id}/steps`)
  const [key] = await api.get<Key[]>('/v1/keys/')
  return {
    agent_id: agent.id,
    group_id: group.id,
    block_id: agent.blocks[0]!.id,
    block_label: 'persona',
    tool_id: tool,
    tool_name: 'ana_secret_tool',
    run_id,
    message_id: message!.id,
    step_id: step!.id,
    conversation_id: agent.id,
    key_id: key!.id,
    // To OpenAI's clients a group is one.
    model: group.id,
    // A file of the page.
    name: 'page.js',
  }
}

/** Ids of the same kinds that nobody has. */
export const unknownLike = (ids: Ids): Ids =>
  Object.fromEntries(
    Object.entries(ids).map(([name, id]) => [name, /-[0-9a-f]{8}-/.test(id) ? newId(id.slice(0, id.indexOf('-'))) : id]),
  )

export const filled = (path: string, ids: Ids) =>
  path.replaceAll(/:(\w+)(\{[^}]*\})?/g, (_, name: string) => {
    if (!ids[name]) throw new Error(`${path}: this test does not know what to put for ${name}`)
    return ids[name]
  })

/** What a refusal says, in either of the two shapes that there are. */
export function refusalOf(text: string): string {
  const { detail, error } = JSON.parse(text) as { detail?: string; error?: { message: string } }
  return detail ?? error!.message
}

/** The example, with ids of ours in the place of those that it shows. */
export const bodyFor = ({ body }: Route, ids: Ids) =>
  JSON.stringify(body ?? {}).replaceAll(
    /"(agent|block|tool|group|message|run)-[0-9a-f-]{36}"/g,
    (_, noun) => `"${ids[`${noun}_id`]}"`,
  )

export async function call(url: string, route: Route, path: string, key: string | undefined, body: string) {
  const response = await fetch(url + path, {
    method: route.method,
    headers: {
      ...(isUnsafe(route) && { 'content-type': 'application/json' }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    ...(isUnsafe(route) && { body }),
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}
