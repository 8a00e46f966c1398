import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a schema is what it is
type Schema = any

interface Case {
  method: string
  path: string
  field: string
  body: unknown
}

/** Of every kind of JSON; a field takes those of its own. */
const values: unknown[] = [null, true, -1, 1.5, 1e300, '', 'nonsense', '\u0000', 'x'.repeat(20_000), [], [null], {}, { a: 1 }]

/**
 * Every field of every body in the API's own description, on two levels, with a value of each kind beside what its example has;
 * one field that nobody knows; and every kind instead of a body.
 */
function casesOf(document: Schema, ids: Record<string, string>): Case[] {
  const resolve = (schema: Schema): Schema =>
    schema?.$ref ? resolve(document.components.schemas[schema.$ref.split('/').at(-1)]) : schema
  const fieldsOf = (schema: Schema): [string, Schema][] => {
    const { properties = {}, anyOf, oneOf, allOf } = resolve(schema) ?? {}
    return [...Object.entries(properties), ...[anyOf, oneOf, allOf].flatMap((parts) => (parts ?? []).flatMap(fieldsOf))] as [
      string,
      Schema,
    ][]
  }
  const cases: Case[] = []
  for (const [template, methods] of Object.entries<Schema>(document.paths)) {
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'x')
    for (const [method, operation] of Object.entries<Schema>(methods)) {
      const { schema: given, example = {} } = operation.requestBody?.content?.['application/json'] ?? {}
      const schema = resolve(given)
      const base = {
        ...example,
        ...(example.agent_ids && { agent_ids: [ids['agent_id']] }),
        ...(example.model === 'ana' && { model: 'Cyd' }),
      }
      if (!schema) continue
      const add = (field: string, body: unknown) => cases.push({ method: method.toUpperCase(), path, field, body })
      for (const [name, field] of fieldsOf(schema)) {
        for (const value of values) add(name, { ...base, [name]: value })
        for (const [inner] of fieldsOf(field))
          for (const value of values) add(`${name}.${inner}`, { ...base, [name]: { [inner]: value } })
      }
      add('unknown', { ...base, no_such_field: 1, constructor: { prototype: { polluted: 1 } } })
      for (const value of values) add('the body', value)
    }
  }
  return cases
}

test(
  'F73 every field of every body, with a value of every kind, is taken or refused by name, and never breaks anything',
  { timeout: 300_000 },
  async () => {
    const { api, url, llm } = await startServer()
    llm.script(() => ({ text: 'ok' }))
    const group = await api.group(['Ann', 'Bob'])
    const agent = await api.agent({ name: 'Cyd', include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] })
    const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'x', value: 'y' })
    const answered = await api.call('POST', `/v1/groups/${group.id}/messages`, { input: 'Hi' })
    const document = await (await fetch(`${url}/openapi.json`)).json()
    const run_id = answered.headers.get('x-letta-run-id')!
    const [step] = await api.get<{ id: string }[]>('/v1/steps/')
    const [message] = await api.get<{ id: string }[]>(`/v1/groups/${group.id}/messages`)
    const ids = {
      group_id: group.id,
      agent_id: agent.id,
      conversation_id: agent.id,
      block_id: block.id,
      block_label: 'human',
      run_id,
      step_id: step!.id,
      message_id: message!.id,
      tool_id: agent.tools[0]!.id,
      tool_name: agent.tools[0]!.name!,
    }
    const cases = casesOf(document, ids)
    expect(cases.length).toBeGreaterThan(1000)
    const taken = new Map<number, number>()
    const send = async ({ method, path, field, body }: Case) => {
      const response = await fetch(url + path, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const text = await response.text()
      const what = `${method} ${path} ${field}: ${JSON.stringify(body)?.slice(0, 200)} → ${response.status} ${text.slice(0, 300)}`
      taken.set(response.status, (taken.get(response.status) ?? 0) + 1)
      expect.soft([500, 502].includes(response.status), what).toBe(false)
      expect.soft(text, what).not.toMatch(/\bat .*\.[tj]s:\d+|node_modules/)
      if (response.status !== 422 || !text.startsWith('{"detail":[')) return
      const { detail } = JSON.parse(text)
      for (const { loc, msg } of detail) expect.soft([Array.isArray(loc), typeof msg], what).toEqual([true, 'string'])
      // It names the field, or the body where two do not go together, or one that is needed without it.
      const named = detail.some(
        ({ loc, msg }: { loc: unknown[]; msg: string }) =>
          loc.length === 1 || loc[1] === field.split('.')[0] || msg.startsWith('is required'),
      )
      expect.soft(named || field === 'the body' || field === 'unknown', what).toBe(true)
    }
    for (let first = 0; first < cases.length; first += 16) await Promise.all(cases.slice(first, first + 16).map(send))
    expect(taken.get(422)).toBeGreaterThan(cases.length / 2)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(await api.get('/v1/health/')).toMatchObject({ status: 'ok' })
  },
)
