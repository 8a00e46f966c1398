/**
 * The part of JSON Schema that tools are described in, checked without compiling anything: schemas come from clients and MCP
 * servers, and a validator that makes code of them would run what it must only read. Known: `type`, `nullable`, `enum`,
 * `const`, `$ref` into the schema itself, `allOf`, `anyOf`, `oneOf`, `not`, and the limits and members of strings, numbers,
 * arrays and objects below. All else, and a keyword whose value makes no sense, binds nothing; so do `pattern` and `format`:
 * a regular expression of a stranger can hold the process for ever.
 */

/** What does not fit: `path` is like `chunks[0].start`, empty for the whole value; `reason` goes on from it. */
export interface Fault {
  path: string
  reason: string
}

/** The first thing in `value` that does not fit `schema`. The work is bounded, whatever both are. */
export function faultOf(schema: unknown, value: unknown): Fault | undefined {
  try {
    return check(schema, value, '', { root: schema, work: MAX_WORK, depth: 0 })
  } catch (error) {
    // A schema may be too deep even to be written out.
    if (error instanceof Exhausted || error instanceof RangeError)
      return { path: '', reason: 'cannot be checked: too large, or nested too deeply' }
    throw error
  }
}

/** One text for all values that JSON Schema holds equal: keys are in order. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )

export const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** In characters compared; a visit of one schema costs ten. At most a few tenths of a second. */
const MAX_WORK = 1_000_000
const MAX_DEPTH = 300

type Schema = Record<string, unknown>
type Checker = (schema: Schema, value: unknown, path: string, scope: Scope) => Fault | undefined

interface Scope {
  root: unknown
  work: number
  depth: number
}

class Exhausted extends Error {}

function spend(scope: Scope, work: number) {
  scope.work -= work
  if (scope.work < 0 || scope.depth > MAX_DEPTH) throw new Exhausted()
}

function check(schema: unknown, value: unknown, path: string, scope: Scope): Fault | undefined {
  spend(scope, 10)
  if (schema === false) return { path, reason: 'is not allowed' }
  if (!isRecord(schema) || (value === null && schema['nullable'] === true)) return undefined
  scope.depth++
  const fault = first(checkers, (checker) => checker(schema, value, path, scope))
  scope.depth--
  return fault
}

const isType: Record<string, (value: unknown) => boolean> = {
  'a string': (value) => typeof value === 'string',
  'a number': (value) => Number.isFinite(value),
  'an integer': (value) => Number.isInteger(value),
  'a boolean': (value) => typeof value === 'boolean',
  'an array': (value) => Array.isArray(value),
  'an object': isRecord,
  null: (value) => value === null,
}
const named = Object.keys(isType)

const ofType: Checker = ({ type }, value, path) => {
  const types = [type].flat().flatMap((name) => named.filter((known) => known.split(' ').at(-1) === name))
  return types.length === 0 || types.some((name) => isType[name]!(value))
    ? undefined
    : { path, reason: `must be ${types.join(' or ')}` }
}

const ofChoice: Checker = (schema, value, path, scope) => {
  const { enum: listed } = schema
  const choice = Object.hasOwn(schema, 'const') ? [schema['const']] : Array.isArray(listed) ? listed : undefined
  if (!choice) return undefined
  const given = canonical(value)
  const texts = choice.map(canonical)
  spend(scope, given.length + texts.join('').length)
  return texts.includes(given)
    ? undefined
    : { path, reason: `must be ${texts.length === 1 ? '' : 'one of '}${brief(texts.join(', '))}` }
}

const brief = (text: string) => (text.length > 300 ? `${text.slice(0, 300)}…` : text)

const ofReference: Checker = ({ $ref }, value, path, scope) =>
  typeof $ref === 'string' && $ref.startsWith('#') ? check(target($ref, scope.root), value, path, scope) : undefined

/** What a JSON pointer points to in `root`; nothing when it points nowhere. */
function target(pointer: string, root: unknown): unknown {
  const steps = pointer.split('/').slice(1)
  if (steps.length === 0) return pointer === '#' ? root : undefined
  return steps.reduce<unknown>((place, step) => {
    const key = decode(step).replaceAll('~1', '/').replaceAll('~0', '~')
    return typeof place === 'object' && place !== null && Object.hasOwn(place, key) ? (place as Schema)[key] : undefined
  }, root)
}

function decode(step: string) {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

const ofAll: Checker = ({ allOf }, value, path, scope) => first(list(allOf), (part) => check(part, value, path, scope))

const ofAny: Checker = ({ anyOf }, value, path, scope) => {
  const faults: Fault[] = []
  for (const part of list(anyOf)) {
    const fault = check(part, value, path, scope)
    if (!fault) return undefined
    faults.push(fault)
  }
  return nearest(faults, path)
}

const ofOne: Checker = ({ oneOf }, value, path, scope) => {
  const parts = list(oneOf)
  const faults = parts.flatMap((part) => check(part, value, path, scope) ?? [])
  if (parts.length === 0 || faults.length === parts.length - 1) return undefined
  return faults.length === parts.length ? nearest(faults, path) : { path, reason: 'fits more than one of its allowed forms' }
}

const ofNone: Checker = ({ not }, value, path, scope) =>
  not !== undefined && isSchema(not) && !check(not, value, path, scope)
    ? { path, reason: 'has a form that is not allowed' }
    : undefined

/** Of several forms none fits: what is wrong inside the one that was meant, else all that it might have been. */
const nearest = (faults: Fault[], path: string): Fault | undefined =>
  faults.find((fault) => fault.path !== path) ??
  (faults.length === 0 ? undefined : { path, reason: brief([...new Set(faults.map(({ reason }) => reason))].join(' or ')) })

const ofString: Checker = ({ minLength, maxLength }, value, path, scope) => {
  if (typeof value !== 'string' || (minLength === undefined && maxLength === undefined)) return undefined
  spend(scope, value.length)
  return ofCount(Array.from(value).length, minLength, maxLength, 'character', path)
}

const ofNumber: Checker = (schema, value, path) => {
  if (typeof value !== 'number') return undefined
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema
  if (isNumber(minimum) && value < minimum) return { path, reason: `must be at least ${minimum}` }
  if (isNumber(maximum) && value > maximum) return { path, reason: `must be at most ${maximum}` }
  if (isNumber(exclusiveMinimum) && value <= exclusiveMinimum) return { path, reason: `must be more than ${exclusiveMinimum}` }
  if (isNumber(exclusiveMaximum) && value >= exclusiveMaximum) return { path, reason: `must be less than ${exclusiveMaximum}` }
  if (isNumber(multipleOf) && multipleOf > 0 && !Number.isInteger(value / multipleOf)) {
    return { path, reason: `must be a multiple of ${multipleOf}` }
  }
}

const ofArray: Checker = ({ minItems, maxItems, uniqueItems, prefixItems, items }, value, path, scope) => {
  if (!Array.isArray(value)) return undefined
  const tuple = Array.isArray(prefixItems) ? prefixItems : list(items)
  const fault =
    ofCount(value.length, minItems, maxItems, 'item', path) ??
    first([...value.entries()], ([index, item]) => {
      const schema = index < tuple.length ? tuple[index] : items
      return check(schema, item, `${path}[${index}]`, scope)
    })
  if (fault || uniqueItems !== true) return fault
  const texts = value.map(canonical)
  spend(scope, texts.join('').length)
  return new Set(texts).size === texts.length ? undefined : { path, reason: 'must not hold the same item twice' }
}

const ofObject: Checker = (schema, value, path, scope) => {
  if (!isRecord(value)) return undefined
  const { minProperties, maxProperties, required, patternProperties } = schema
  const inside = (key: string) => (path === '' ? key : `${path}.${key}`)
  const missing = list(required).find((key): key is string => typeof key === 'string' && !Object.hasOwn(value, key))
  if (missing !== undefined) return { path: inside(missing), reason: 'is required' }
  const properties = isRecord(schema['properties']) ? schema['properties'] : {}
  // Without its patterns we cannot tell which keys are additional ones.
  const others = isRecord(patternProperties) ? undefined : schema['additionalProperties']
  return (
    ofCount(Object.keys(value).length, minProperties, maxProperties, 'key', path) ??
    first(Object.entries(value), ([key, item]) =>
      check(Object.hasOwn(properties, key) ? properties[key] : others, item, inside(key), scope),
    )
  )
}

function ofCount(count: number, min: unknown, max: unknown, noun: string, path: string): Fault | undefined {
  const wants = (limit: number) => `${limit} ${noun}${limit === 1 ? '' : 's'}`
  if (isNumber(min) && count < min) return { path, reason: `must have at least ${wants(min)}` }
  if (isNumber(max) && count > max) return { path, reason: `must have at most ${wants(max)}` }
}

const checkers = [ofType, ofChoice, ofReference, ofAll, ofAny, ofOne, ofNone, ofString, ofNumber, ofArray, ofObject]

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isSchema = (value: unknown) => typeof value === 'boolean' || isRecord(value)
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

function first<T>(items: T[], faultIn: (item: T) => Fault | undefined): Fault | undefined {
  for (const item of items) {
    const fault = faultIn(item)
    if (fault) return fault
  }
}
