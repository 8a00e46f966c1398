import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import addFormats from 'ajv-formats'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

const file = fileURLToPath(new URL('../../../shared/contract/letta-openapi.json', import.meta.url))

export interface Document {
  paths: Record<string, Record<string, { responses?: Record<string, { content?: Record<string, unknown> }> }>>
  components: { schemas: Record<string, { properties?: object }> }
}

export interface Contract {
  document: Document
  /** What is wrong with a JSON response, `[]` = nothing; undefined where the contract says nothing about it. */
  validate(method: string, path: string, status: number, body: unknown): string[] | undefined
  /** The same for a request's body; `path` as the document has it. */
  validateBody(method: string, path: string, body: unknown): string[]
  /** The same for one of its named schemas. */
  validateSchema(name: string, value: unknown): string[] | undefined
  /** The keys that a named schema knows. */
  keysOf(name: string): string[]
}

let cached: Contract | undefined

/** Letta's published API description; undefined (and said so, once per file) where this machine does not have it. */
export function contract(): Contract | undefined {
  if (cached) return cached
  if (!existsSync(file)) {
    console.info(`Skipped what needs the contract: there is no ${file}`)
    return undefined
  }
  const document: Document = JSON.parse(readFileSync(file, 'utf8'))
  cached = contractOf(document)
  return cached
}

/** Any OpenAPI 3.1 document as a contract. */
export function contractOf(document: Document): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true }) // strict: OpenAPI has keywords that Ajv does not know
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'contract', ...document })

  const compiled = new Map<string, ValidateFunction>()
  const check = (pointer: string, value: unknown): string[] => {
    const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `contract#${pointer}` })
    compiled.set(pointer, validate)
    if (validate(value)) return []
    const errors = validate.errors ?? []
    return [...new Set(errors.map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`))]
  }

  const templates = Object.keys(document.paths).map((path) => ({ path, segments: segmentsOf(path) }))
  return {
    document,
    validate(method, path, status, body) {
      const template = templateFor(segmentsOf(path), templates)
      const verb = method.toLowerCase()
      if (!template) return undefined
      const responses = document.paths[template]?.[verb]?.responses
      const key = responses?.[status] ? `${status}` : 'default'
      if (!responses?.[key]?.content?.['application/json']) return undefined
      return check(pointerTo('paths', template, verb, 'responses', key, 'content', 'application/json', 'schema'), body)
    },
    validateSchema(name, value) {
      return name in document.components.schemas ? check(pointerTo('components', 'schemas', name), value) : undefined
    },
    validateBody(method, path, body) {
      return check(pointerTo('paths', path, method, 'requestBody', 'content', 'application/json', 'schema'), body)
    },
    keysOf: (name) => Object.keys(document.components.schemas[name]?.properties ?? {}),
  }
}

const isParameter = (segment: string) => segment.startsWith('{')

/** The segments of a path, without its query; a slash at the end makes no difference. */
const segmentsOf = (path: string) =>
  path
    .replace(/[?#].*/, '')
    .split('/')
    .filter(Boolean)

const rank = ({ segments }: { segments: string[] }) => segments.map((segment) => (isParameter(segment) ? '1' : '0')).join('')

/** Literal segments win over parameters, the earlier the more. */
function templateFor(segments: string[], templates: { path: string; segments: string[] }[]): string | undefined {
  const fitting = templates.filter(
    (template) =>
      template.segments.length === segments.length &&
      template.segments.every((segment, i) => isParameter(segment) || segment === segments[i]),
  )
  return fitting.toSorted((a, b) => rank(a).localeCompare(rank(b)))[0]?.path
}

const pointerTo = (...keys: string[]) =>
  keys.map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('')
