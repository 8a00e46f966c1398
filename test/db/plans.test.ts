import Database from 'better-sqlite3'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Api } from '../support/api.ts'
import { startServer, tempFolder } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a document is what it is
type Any = any

interface Operation {
  method: string
  path: string
  parameters: { name: string; in: string; schema: Any }[]
  example: Any
}

/** Tables that do not grow with use: the log's head holds what runs are saying at the moment, a lease is there once. */
const small = new Set(['log', 'lease', 'tenants', 'keys'])

test('every statement of a request finds its rows by an index, however many there are', async () => {
  const file = join(tempFolder(), 'plans.db')
  const statements = spyOnStatements()
  const { url, api, llm } = await startServer({ DATABASE_URL: `file:${file}` })
  const ids = await populate(api, llm)
  const document = await api.get<Any>('/openapi.json')
  const operations = operationsOf(document)
  statements.begin()
  // What takes things away comes last.
  for (const operation of operations.toSorted((a, b) => Number(ends(a)) - Number(ends(b)))) await exercise(url, operation, ids)
  const seen = statements.end()
  expect(operations.length).toBeGreaterThan(80)
  expect(seen.length).toBeGreaterThan(150)

  const db = new Database(file, { readonly: true })
  onTestFinished(() => void db.close())
  expect(seen.flatMap((sql) => scans(db, sql).map((plan) => `${plan}: ${sql}`))).toEqual([])
})

test('a statement without an index would be found', () => {
  const db = new Database(':memory:')
  db.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY, agent TEXT)')
  expect(scans(db, 'SELECT * FROM messages WHERE agent = ?')).toEqual(['SCAN messages'])
  expect(scans(db, 'SELECT * FROM messages WHERE id = @id')).toEqual([])
})

/** Every statement that is executed between `begin` and `end`, once. */
function spyOnStatements() {
  const db = new Database(':memory:')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the class of statements is not exported
  const statement = Object.getPrototypeOf(db.prepare('SELECT 1')) as Record<string, (...args: unknown[]) => unknown>
  db.close()
  const seen = new Set<string>()
  let watching = false
  for (const verb of ['run', 'get', 'all', 'iterate']) {
    const original = statement[verb]!
    statement[verb] = function (this: Database.Statement, ...args) {
      if (watching) seen.add(this.source)
      return original.apply(this, args)
    }
    onTestFinished(() => void (statement[verb] = original))
  }
  return {
    begin: () => void (watching = true),
    end() {
      watching = false
      return [...seen].filter((sql) => !/^\s*(PRAGMA|BEGIN|COMMIT|ROLLBACK|EXPLAIN|VACUUM)/i.test(sql))
    },
  }
}

/** The steps of a statement's plan that read a whole table, or all of an index. */
function scans(db: Database.Database, sql: string): string[] {
  const named = Object.fromEntries(Array.from(sql.matchAll(/[@:$](\w+)/g), ([, name]) => [name, null]))
  const places = Array.from(sql.replaceAll(/'[^']*'|"[^"]*"/g, '').matchAll(/\?/g), () => null)
  const given = Object.keys(named).length > 0 && places.length === 0 ? [named] : places
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...given) as { detail: string }[]
  const tables = new Set(db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).pluck().all() as string[])
  return plan.flatMap(({ detail }) => {
    const alias = /^SCAN (\w+)/.exec(detail)?.[1]
    if (alias === undefined || detail.includes('VIRTUAL TABLE')) return []
    const table = tables.has(alias) ? alias : new RegExp(`\\b(\\w+)"?\\s+(?:AS\\s+)?"?${alias}\\b`, 'i').exec(sql)?.[1]
    return table !== undefined && tables.has(table) && !small.has(table) ? [detail] : []
  })
}

/** One of everything. @returns what stands for an id in a path or a query, by its name */
async function populate(api: Api, llm: Awaited<ReturnType<typeof startServer>>['llm']): Promise<Record<string, string>> {
  const block = await api.post<Any>('/v1/blocks/', { label: 'facts', value: 'x' })
  const group = await api.group(['ana', 'ben'], { shared_block_ids: [] })
  const [agent] = group.agent_ids
  const sent = await api.call<Any>('POST', `/v1/groups/${group.id}/messages`, { input: 'Hi' })
  const [run] = await api.get<Any[]>(`/v1/runs/?group_id=${group.id}`)
  const [step] = await api.get<Any[]>(`/v1/runs/${run.id}/steps`)
  const [tool] = await api.get<Any[]>('/v1/tools/?limit=1')
  const [message] = sent.body.messages
  llm.script(() => ({ text: 'Yes.' }))
  return {
    agent_id: agent!,
    agent_ids: agent!,
    group_id: group.id,
    block_id: block.id,
    run_id: run.id,
    step_id: step.id,
    tool_id: tool.id,
    tool_name: tool.name,
    message_id: message.id,
    block_label: 'facts',
    conversation_id: 'default',
  }
}

function operationsOf(document: Any): Operation[] {
  return Object.entries<Any>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Any>(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      example: requestBody?.content?.['application/json']?.example,
    })),
  )
}

const ends = ({ method, path }: Operation) => method === 'DELETE' || /cancel|reset|detach/.test(path)

/** Calls it as it stands, with each of its query's parameters, and with all of them. */
async function exercise(url: string, { method, path, parameters, example }: Operation, ids: Record<string, string>) {
  const real = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'x')
  const asked = parameters.filter((one) => one.in === 'query').map(({ name, schema }) => [name, valueOf(name, schema, ids)])
  const queries = [[], ...asked.map((one) => [one]), asked]
  for (const query of method === 'GET' ? queries : [[]]) {
    const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value!)}`).join('&')
    await call(
      method,
      url + (text === '' ? real : `${real}?${text}`),
      example && JSON.parse(fill(JSON.stringify(example), ids)),
    )
  }
}

/** Of any answer only the statements count; a stream is left. */
async function call(method: string, url: string, body: unknown) {
  const stop = AbortSignal.timeout(2000)
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  try {
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal: stop } as Any)
    await response.text()
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

/** An example's ids are nobody's. */
const fill = (text: string, ids: Record<string, string>) =>
  text.replaceAll(/\b(agent|group|block|tool|message|run|step)-[0-9a-f-]{36}\b/g, (id, kind: string) => ids[`${kind}_id`] ?? id)

function valueOf(name: string, schema: Any, ids: Record<string, string>): string {
  if (ids[name] !== undefined) return ids[name]
  const type = [schema, ...(schema.anyOf ?? [])].find((one: Any) => one.type && one.type !== 'null') ?? {}
  if (name === 'before' || name === 'after') return ids['message_id']!
  if (type.enum) return type.enum[0]
  if (type.type === 'integer' || type.type === 'number') return '1'
  return type.type === 'boolean' ? 'true' : 'x'
}
