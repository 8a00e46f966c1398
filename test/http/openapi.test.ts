import { expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { descriptionOf } from '../../src/routes/describe.ts'
import { contractOf, type Document } from '../support/contract.ts'
import { startServer } from '../support/server.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a document is what it is
type Any = any

/** The app with nothing behind it: enough to look at its routes. */
const bare = () => createApp({ config: readConfig({}), tools: {} } as never)

async function documented() {
  const { url } = await startServer()
  return { url, document: (await (await fetch(`${url}/openapi.json`)).json()) as Any }
}

const operations = (document: Any) =>
  Object.entries<Any>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Any>(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, method, operation })),
  )

test('every route of the API is in the document, with what it answers', async () => {
  const { document } = await documented()
  const listed = new Set(operations(document).map(({ name }) => name))
  const routes = bare().routes.filter(({ method, path }) => method !== 'ALL' && /^\/(v1|openai)\//.test(path))
  const names = routes.map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`)
  expect(names.length).toBeGreaterThan(150)
  expect([...new Set(names)].filter((name) => !listed.has(name))).toEqual([])
  expect([...listed].filter((name) => !names.includes(name))).toEqual([])
  for (const { name, operation } of operations(document)) {
    expect(operation.summary, name).toMatch(/^[A-Z].*[^.]$/)
    const described = operation.responses[200]?.content ?? operation.responses.default.content
    expect(
      Object.values<Any>(described).every(({ schema }) => Object.keys(schema).length > 0),
      name,
    ).toBe(true)
  }
})

test('a route is described in one place: no validator stands before its description', () => {
  const seen = new Set<string>()
  for (const { method, path, handler } of bare().routes) {
    if (method === 'ALL' || !path.startsWith('/v1/')) continue
    const key = `${method} ${path}`
    if (!seen.has(key)) expect(descriptionOf(handler), key).toBeDefined()
    seen.add(key)
  }
})

test('operation ids are different, parameters of a path are all named, references lead somewhere', async () => {
  const { document } = await documented()
  const all = operations(document)
  const ids = all.map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { name, path, operation } of all) {
    const inPath = (operation.parameters ?? []).filter((one: Any) => one.in === 'path').map((one: Any) => one.name)
    expect(inPath.toSorted(), name).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).toSorted())
  }
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)
  for (const [, name] of references) expect(document.components.schemas).toHaveProperty(name!)
})

test('every example fits its schema, and the server takes it for well formed', async () => {
  const { document, url } = await documented()
  const own = contractOf(document as Document)
  const given = operations(document).flatMap(({ method, path, operation }) => {
    const example = operation.requestBody?.content['application/json'].example
    return example === undefined ? [] : [{ method, path, example }]
  })
  expect(given.length).toBeGreaterThan(20)
  for (const { method, path, example } of given) {
    expect(own.validateBody(method, path, example), `${method} ${path}`).toEqual([])
    // Of ids that are there for nobody: refused for what they name, not for how they look.
    const real = path
      .replaceAll(/\{(agent|group|block|tool|message|run|step)_id\}/g, (_, prefix) => `${prefix}-${crypto.randomUUID()}`)
      .replaceAll(/\{\w+\}/g, 'default')
    const init = {
      method: method.toUpperCase(),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(example),
    }
    const answer = await fetch(url + real, init)
    expect([200, 404, 409, 501], `${method} ${path}: ${answer.status} ${await answer.text()}`).toContain(answer.status)
  }
})

test('a body that the schema refuses is found out: examples are checked by something that can fail', async () => {
  const { document } = await documented()
  const own = contractOf(document as Document)
  expect(own.validateBody('post', '/v1/groups', { agent_ids: 'all' })).not.toEqual([])
  expect(own.validate('GET', '/v1/groups', 200, [{ id: 1 }])).not.toEqual([])
})

test('the reference page shows every operation and schema, and asks no other host for anything', async () => {
  const { document, url } = await documented()
  const page = await (await fetch(`${url}/docs/api`)).text()
  for (const { operation } of operations(document)) expect(page).toContain(`id="${operation.operationId}"`)
  for (const name of Object.keys(document.components.schemas)) expect(page).toContain(`id="schema-${name}"`)
  expect(await (await fetch(`${url}/docs/api.css`)).text()).toContain('nav')
  expect(page).not.toMatch(/<script|<style|style=|\b(src|href)="(https?:)?\/\//)
  const links = page.matchAll(/href="#([^"]+)"/g)
  for (const [, id] of links) expect(page).toContain(`id="${id}"`)
})
