import { html } from 'hono/html'
import type { createDocument } from 'zod-openapi'

type ApiDocument = ReturnType<typeof createDocument>

type Operation = NonNullable<NonNullable<NonNullable<ApiDocument['paths']>[string]>['get']>
// oxlint-disable-next-line typescript/no-explicit-any -- a JSON Schema may be anything
type Schema = any

/** The API's description as one page that needs nothing else: no script, no font, no other host. */
export function referencePage({ info, paths = {}, components = {} }: ApiDocument) {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods ?? {}).map(([method, operation]) => ({ method, path, operation: operation as Operation })),
  )
  const byTag = Map.groupBy(operations, ({ operation }) => operation.tags?.[0] ?? '')
  const schemas = Object.entries(components.schemas ?? {}).toSorted(([a], [b]) => a.localeCompare(b))
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title} API</title>
        <link rel="stylesheet" href="/docs/api.css" />
      </head>
      <body>
        <nav>
          ${[...byTag.keys()].map((tag) => html`<a href="#${tag}">${tag}</a> `)}
          <a href="#schemas">schemas</a>
        </nav>
        <main>
          <h1>${info.title} ${info.version}</h1>
          <p>${info.description} <a href="/openapi.json">openapi.json</a></p>
          ${[...byTag].map(
            ([tag, all]) =>
              html`<h2 id="${tag}">${tag}</h2>
                ${all.map(operationSection)}`,
          )}
          <h2 id="schemas">schemas</h2>
          ${schemas.map(
            ([name, schema]) =>
              html`<h3 id="schema-${name}">${name}</h3>
                ${typeOf(schema)}`,
          )}
        </main>
      </body>
    </html>`
}

function operationSection({ method, path, operation }: { method: string; path: string; operation: Operation }) {
  const { operationId, summary, parameters = [], requestBody, responses = {} } = operation as Schema
  const body = requestBody?.content['application/json']
  return html`<section id="${operationId}">
    <h3><code class="${method}">${method.toUpperCase()}</code> <code>${path}</code></h3>
    <p>${summary}</p>
    ${
      parameters.length > 0 &&
      html`<details>
        <summary>Parameters</summary>
        <dl>${parameters.map((one: Schema) => field(one.name, one.schema, one.in === 'path', one.description))}</dl>
      </details>`
    }
    ${
      body &&
      html`<details>
        <summary>Body</summary>
        ${typeOf(body.schema)} ${body.example && html`<pre>${JSON.stringify(body.example, null, 2)}</pre>`}
      </details>`
    }
    <details>
      <summary>Answers</summary>
      <dl>
        ${Object.entries(responses).map(
          ([status, { description, content = {} }]: [string, Schema]) => html`
            <dt><code>${status}</code> ${description}</dt>
            ${Object.entries(content).map(([type, { schema }]: [string, Schema]) => html`<dd>${type}: ${typeOf(schema)}</dd>`)}
          `,
        )}
      </dl>
    </details>
  </section>`
}

const field = (name: string, schema: Schema, required: boolean, description: string | undefined = schema.description) => html`
  <dt><code>${name}</code>${required ? '' : '?'} ${typeOf(schema)}</dt>
  ${
    (description || schema.default !== undefined) &&
    html`<dd>
      ${description} ${schema.default !== undefined && html`Default: <code>${JSON.stringify(schema.default)}</code>`}
    </dd>`
  }
`

/** A schema in the words of a type: names link to their definition. */
function typeOf(schema: Schema): ReturnType<typeof html> | string {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1)
    return html`<a href="#schema-${name}">${name}</a>`
  }
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (parts)
    return html`${parts.map((part: Schema, i: number) => html`${i > 0 ? (schema.allOf ? ' & ' : ' | ') : ''}${typeOf(part)}`)}`
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`
  if (schema.enum) return html`<code>${schema.enum.map((value: unknown) => JSON.stringify(value)).join(' | ')}</code>`
  if (schema.type === 'array') return html`${typeOf(schema.items ?? {})}[]`
  if (schema.properties) {
    const required = new Set<string>(schema.required)
    return html`<dl>${Object.entries(schema.properties).map(([name, inner]) => field(name, inner, required.has(name)))}</dl>`
  }
  const values = schema.additionalProperties
  if (schema.type === 'object' && values?.type) return html`{ [key]: ${typeOf(values)} }`
  return [schema.type ?? 'any'].flat().join(' | ')
}

/** In a file of its own: nothing inline is allowed by the security headers. */
export const referenceStyle = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { margin: 0; display: grid; grid-template-columns: 11rem minmax(0, 60rem); }
  nav { position: sticky; top: 0; height: 100vh; box-sizing: border-box; overflow: auto; padding: 1.5rem 1rem; }
  nav a { display: block; }
  main { padding: 1rem 1.5rem 4rem; }
  section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: 0.3rem 0; }
  h3 { margin: 0.6rem 0 0; font-weight: 500; overflow-wrap: anywhere; }
  p { margin: 0.2rem 0; }
  dl { margin: 0.2rem 0 0.4rem 1rem; } dd { margin-left: 1.2rem; opacity: 0.8; }
  code, pre { font: 13px/1.5 ui-monospace, monospace; }
  pre { overflow: auto; padding: 0.6rem; background: color-mix(in srgb, currentColor 7%, transparent); }
  .get { color: #2a7; } .post { color: #38c; } .put, .patch { color: #b80; } .delete { color: #d44; }
  @media (max-width: 40rem) { body { display: block; } nav { position: static; height: auto; } nav a { display: inline-block; margin-right: 0.7rem; } }
`
