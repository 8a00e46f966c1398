import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readFrame, splitFrames } from '../../src/stream/frame.ts'
import { contract, type Contract } from '../support/contract.ts'
import { startServer, type TestServer } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- documents and answers are what they are
type Any = any

const published = contract()
const guide = readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8')

/** The operations that a section of the guide's tables lists. */
function listed(heading: string): Map<string, string> {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))!
  return new Map([...section.matchAll(/^\| `([A-Z]+ [^`]+)` *\|(.*)\|$/gm)].map(([, name, rest]) => [name!, rest!]))
}

const operations = (document: Any): Map<string, Any> =>
  new Map(
    Object.entries<Any>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Any>(methods).map(([method, operation]) => [
        `${method.toUpperCase()} ${path.replace(/\/$/, '')}`,
        { ...operation, path, method },
      ]),
    ),
  )

async function documented(server: Pick<TestServer, 'url'>) {
  return (await (await fetch(`${server.url}/openapi.json`)).json()) as Any
}

/** The names of a request's parts, however deep a union has them. */
function fieldsOf(document: Any, { parameters = [], requestBody }: Any): Set<string> {
  const names = new Set<string>(parameters.flatMap((one: Any) => (one.in === 'query' ? [one.name] : [])))
  const visit = (schema: Any) => {
    if (schema?.$ref) return visit(document.components.schemas[schema.$ref.split('/').at(-1)])
    for (const name of Object.keys(schema?.properties ?? {})) names.add(name)
    for (const part of [schema?.anyOf, schema?.oneOf, schema?.allOf].flatMap((parts) => parts ?? [])) visit(part)
  }
  visit(requestBody?.content['application/json']?.schema)
  return names
}

describe.skipIf(!published)('docs/compatibility.md', () => {
  test('lists exactly what the contract has and the server has not, and the other way round, each with a reason', async () => {
    const ours = operations(await documented(await startServer()))
    const theirs = operations(published!.document)
    const missing = [...theirs.keys()].filter((name) => !ours.has(name))
    expect([...listed('Not served').keys()].toSorted()).toEqual(missing.toSorted())
    const more = [...ours.keys()].filter((name) => !theirs.has(name))
    expect([...listed('What Letta does not have').keys()].toSorted()).toEqual(more.toSorted())
    for (const [name, reason] of listed('Not served')) expect(reason.trim(), name).not.toBe('')
    expect(theirs.size).toBe(92)
  })

  test('lists every parameter and every field of a body that the contract has and the server does not know', async () => {
    const document = await documented(await startServer())
    const ours = operations(document)
    const unknown = new Map<string, string[]>()
    for (const [name, operation] of operations(published!.document)) {
      const own = ours.get(name)
      if (!own) continue
      const known = fieldsOf(document, own)
      const fields = [...fieldsOf(published!.document, operation)].filter((field) => !known.has(field))
      if (fields.length > 0) unknown.set(name, fields.toSorted())
    }
    const said = [...listed('Fields that have no effect')].map(
      ([name, rest]) => [name, [...rest.split('|')[0]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!).toSorted()] as const,
    )
    expect(new Map(said)).toEqual(unknown)
  })
})

/** Makes a request of every operation that the contract and the server share. Answers are checked on their way. */
async function askEverything(
  { api, llm, url }: TestServer,
  contractual: Contract,
  done: (name: string, status: number) => void,
) {
  const call = async (method: string, template: string, ids: Record<string, string> = {}, body?: unknown, status = 200) => {
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name]!)
    const answer = await api.call<Any>(method, path, body)
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(status)
    done(`${method} ${template}`, status)
    return answer.body
  }
  const stream = async (template: string, ids: Record<string, string>, body: unknown) => {
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name]!)
    const response = await api.stream(path, body)
    const frames = splitFrames(await response.text()).map(readFrame)
    expect(frames.length).toBeGreaterThan(3)
    for (const frame of frames)
      if (frame) expect(contractual.validateSchema('LettaStreamingResponse', frame), JSON.stringify(frame)).toEqual([])
    done(`POST ${template}`, 200)
    return response.headers.get('x-letta-run-id')!
  }

  await call('GET', '/v1/health')
  await call('GET', '/v1/models')
  await call('GET', '/v1/models/embedding')
  await call('GET', '/v1/models/embeddings')

  await call('POST', '/v1/tools/add-base-tools')
  const source = { source_type: 'typescript', source_code: 'export function one() { return 1 }' }
  const json_schema = { name: 'one', description: 'One.', parameters: { type: 'object', properties: {} } }
  const { id: tool_id } = await call('POST', '/v1/tools', {}, { ...source, json_schema })
  await call('PUT', '/v1/tools', {}, { ...source, json_schema })
  await call('GET', '/v1/tools')
  await call('GET', '/v1/tools/count')
  await call('GET', '/v1/tools/{tool_id}', { tool_id })
  await call('PATCH', '/v1/tools/{tool_id}', { tool_id }, { description: 'The number one.' })
  await call('POST', '/v1/tools/run', {}, { ...source, json_schema, args: {} })

  const { id: block_id } = await call('POST', '/v1/blocks', {}, { label: 'plan', value: 'Talk.' })
  await call('GET', '/v1/blocks')
  await call('GET', '/v1/blocks/count')
  await call('GET', '/v1/blocks/{block_id}', { block_id })
  await call('PATCH', '/v1/blocks/{block_id}', { block_id }, { value: 'Talk more.' })

  const { id: agent_id } = await call('POST', '/v1/agents', {}, { name: 'ana' })
  const { id: other } = await call('POST', '/v1/agents', {}, { name: 'ben' })
  await call('GET', '/v1/agents')
  await call('GET', '/v1/agents/count')
  await call('GET', '/v1/agents/{agent_id}', { agent_id })
  await call('PATCH', '/v1/agents/{agent_id}', { agent_id }, { description: 'An optimist' })
  await call('PATCH', '/v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}', { agent_id, block_id })
  await call('GET', '/v1/agents/{agent_id}/core-memory', { agent_id })
  await call('GET', '/v1/agents/{agent_id}/core-memory/blocks', { agent_id })
  await call('GET', '/v1/agents/{agent_id}/core-memory/blocks/{block_label}', { agent_id, block_label: 'plan' })
  await call(
    'PATCH',
    '/v1/agents/{agent_id}/core-memory/blocks/{block_label}',
    { agent_id, block_label: 'plan' },
    { value: 'x' },
  )
  await call('GET', '/v1/blocks/{block_id}/agents', { block_id })
  await call('PATCH', '/v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}', { agent_id, block_id })
  await call('PATCH', '/v1/agents/{agent_id}/tools/attach/{tool_id}', { agent_id, tool_id })
  await call('GET', '/v1/agents/{agent_id}/tools', { agent_id })
  await call(
    'PATCH',
    '/v1/agents/{agent_id}/tools/approval/{tool_name}',
    { agent_id, tool_name: 'one' },
    { requires_approval: false },
  )
  await call('POST', '/v1/agents/{agent_id}/tools/{tool_name}/run', { agent_id, tool_name: 'one' }, { args: {} })
  await call('PATCH', '/v1/agents/{agent_id}/tools/detach/{tool_id}', { agent_id, tool_id })

  const create = { agent_ids: [agent_id, other], description: 'Talking' }
  const { id: group_id } = await call('POST', '/v1/groups', {}, create)
  await call('GET', '/v1/groups')
  await call('GET', '/v1/groups/count')
  await call('GET', '/v1/groups/{group_id}', { group_id })
  await call('PATCH', '/v1/groups/{group_id}', { group_id }, { description: 'Talking on' })
  await call('GET', '/v1/agents/{agent_id}/groups', { agent_id })
  await call('PATCH', '/v1/groups/{group_id}/blocks/attach/{block_id}', { group_id, block_id })
  await call('PATCH', '/v1/groups/{group_id}/blocks/detach/{block_id}', { group_id, block_id })

  // All that an answer may have in it.
  llm.script((_body, n) => ({ reasoning: 'Hm.', text: `Line ${n}.`, ...(n % 3 === 1 && { toolCalls: [search] }) }))
  const search = { name: 'conversation_search', arguments: '{"query":"anything"}' }
  const hi = { messages: [{ role: 'user', content: 'Hi' }] }
  await call('POST', '/v1/groups/{group_id}/messages', { group_id }, hi)
  const run_id = await stream('/v1/groups/{group_id}/messages/stream', { group_id }, { ...hi, stream_tokens: true })
  await stream('/v1/runs/{run_id}/stream', { run_id }, { starting_after: 0 })
  const [first] = await call('GET', '/v1/groups/{group_id}/messages', { group_id })
  const [user] = await api.get<Any[]>(`/v1/groups/${group_id}/messages?order=asc`)
  const patch = { message_type: 'user_message', content: 'Hello' }
  await call('PATCH', '/v1/groups/{group_id}/messages/{message_id}', { group_id, message_id: user.id }, patch)
  await call('GET', '/v1/messages')
  await call('GET', '/v1/messages/{message_id}', { message_id: first.id })

  await call('POST', '/v1/agents/{agent_id}/messages', { agent_id }, hi)
  await stream('/v1/agents/{agent_id}/messages/stream', { agent_id }, { ...hi, stream_tokens: true })
  await call('GET', '/v1/agents/{agent_id}/messages', { agent_id })
  await call('PATCH', '/v1/agents/{agent_id}/messages/{message_id}', { agent_id, message_id: first.id }, patch, 405)
  llm.hold()
  const { id: cancelled } = await call('POST', '/v1/agents/{agent_id}/messages/async', { agent_id }, hi)
  await call('GET', '/v1/runs/active')
  await call('POST', '/v1/agents/{agent_id}/messages/cancel', { agent_id }, { run_ids: [cancelled] })
  await (await fetch(`${url}/v1/runs/${cancelled}/stream`)).text()

  await call('GET', '/v1/runs')
  await call('GET', '/v1/runs/{run_id}', { run_id })
  await call('GET', '/v1/runs/{run_id}/messages', { run_id })
  await call('GET', '/v1/runs/{run_id}/usage', { run_id })
  await call('GET', '/v1/runs/{run_id}/metrics', { run_id })
  await call('GET', '/v1/runs/{run_id}/trace', { run_id }, undefined, 501)
  const [{ id: step_id }] = await call('GET', '/v1/runs/{run_id}/steps', { run_id })
  await call('GET', '/v1/steps')
  await call('GET', '/v1/steps/{step_id}', { step_id })
  await call('GET', '/v1/steps/{step_id}/messages', { step_id })
  await call('GET', '/v1/steps/{step_id}/metrics', { step_id })
  await call('GET', '/v1/steps/{step_id}/trace', { step_id })
  await call('PATCH', '/v1/steps/{step_id}/feedback', { step_id }, { feedback: 'positive' })

  await call('POST', '/v1/agents/{agent_id}/summarize', { agent_id }, {})
  await call('PATCH', '/v1/agents/{agent_id}/reset-messages', { agent_id }, {})
  await call('PATCH', '/v1/groups/{group_id}/reset-messages', { group_id })
  await call('DELETE', '/v1/runs/{run_id}', { run_id })
  await call('DELETE', '/v1/groups/{group_id}', { group_id })
  await call('DELETE', '/v1/blocks/{block_id}', { block_id })
  await call('DELETE', '/v1/tools/{tool_id}', { tool_id })
  await call('DELETE', '/v1/agents/{agent_id}', { agent_id })
}

test.skipIf(!published)('every operation that the contract and the server share answers as the contract says', async () => {
  const server = await startServer({ ROUNDTABLE_CUSTOM_TOOLS: 'true' })
  const asked = new Map<string, number>()
  await askEverything(server, published!, (name, status) => asked.set(name, status))
  const ours = operations(await documented(server))
  const shared = [...operations(published!.document).keys()].filter((name) => ours.has(name))
  expect(shared.length).toBe(92 - listed('Not served').size)
  expect([...asked.keys()].toSorted()).toEqual(shared.toSorted())
  const refused = [...asked].flatMap(([name, status]) => (status === 200 ? [] : [name]))
  expect([...listed('Always refused').keys()].toSorted()).toEqual(refused.toSorted())
})
