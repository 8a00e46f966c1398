import { Ajv } from 'ajv'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonical, faultOf } from '../../src/tools/json-schema.ts'

const text = (schema: unknown, value: unknown) => {
  const fault = faultOf(schema, value)
  return fault && `${fault.path}: ${fault.reason}`
}
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more })

const key = fc.constantFrom('a', 'b', 'c')
const small = fc.integer({ min: 0, max: 3 })
const scalar = fc.constantFrom<unknown>(null, true, false, 0, 1, 2, 2.5, -1, '', 'a', 'ab', 'abc', '😀😀')
const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
  ),
}))
const optional = fc.option(small, { nil: undefined })
const { schema: anySchema } = fc.letrec<{ schema: unknown }>((tie) => {
  const type = fc.constantFrom('string', 'number', 'integer', 'boolean', 'array', 'object', 'null')
  const schemas = fc.array(tie('schema'), { minLength: 1, maxLength: 3 })
  return {
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.boolean(),
      fc.record({ type }),
      fc.record({ type: fc.uniqueArray(type, { minLength: 1, maxLength: 3 }) }),
      fc.record({ enum: fc.uniqueArray(scalar, { minLength: 1, maxLength: 3 }) }),
      fc.record({ const: anyValue }),
      fc.record({ minLength: optional, maxLength: optional }),
      fc.record({ minimum: optional, maximum: optional, exclusiveMinimum: optional, exclusiveMaximum: optional }),
      fc.record({ multipleOf: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ minItems: optional, maxItems: optional, uniqueItems: fc.boolean(), items: tie('schema') }),
      fc.record({ items: schemas }),
      fc.record({
        properties: fc.dictionary(key, tie('schema'), { maxKeys: 3 }),
        required: fc.uniqueArray(key),
        additionalProperties: tie('schema'),
      }),
      fc.record({ minProperties: optional, maxProperties: optional }),
      fc.record({ allOf: schemas }),
      fc.record({ anyOf: schemas }),
      fc.record({ oneOf: schemas }),
      fc.record({ not: tie('schema') }),
      fc.constant({ $ref: '#/$defs/short%20one' }),
    ),
  }
})
/** As it comes over the wire: what is undefined is not there at all. */
const sent = (value: unknown) => JSON.parse(JSON.stringify(value))

test('it takes and refuses just what ajv does', () => {
  fc.assert(
    fc.property(anySchema, fc.array(anyValue, { minLength: 1, maxLength: 8 }), (part, values) => {
      const schema = sent({ $defs: { 'short one': { maxLength: 1 } }, allOf: [part] })
      const validate = new Ajv({ strict: false, meta: false, validateSchema: false }).compile(schema)
      const taken = sent(values).map((value: unknown) => ({ schema, value, takes: faultOf(schema, value) === undefined }))
      expect(taken).toEqual(sent(values).map((value: unknown) => ({ schema, value, takes: validate(value) })))
    }),
    { numRuns: 1000 },
  )
})

test.each([
  [object({ a: { type: 'string' } }), { a: 1 }, 'a: must be a string'],
  [object({ a: { type: ['integer', 'null'] } }), { a: 1.5 }, 'a: must be an integer or null'],
  [object({ a: { anyOf: [{ type: 'string' }, { type: 'null' }] } }), { a: [] }, 'a: must be a string or must be null'],
  [object({}, { required: ['name'] }), {}, 'name: is required'],
  [object({}, { additionalProperties: false }), { extra: 1 }, 'extra: is not allowed'],
  [object({ mode: { enum: ['any', 'all'] } }), { mode: 'none' }, 'mode: must be one of "any", "all"'],
  [object({ list: { items: object({ n: { minimum: 1 } }) } }), { list: [{ n: 1 }, { n: 0 }] }, 'list[1].n: must be at least 1'],
  [object({ a: { $ref: '#/$defs/N' } }, { $defs: { N: { type: 'number' } } }), { a: '1' }, 'a: must be a number'],
  [object({ a: { anyOf: [object({ b: { type: 'null' } }), { type: 'null' }] } }), { a: { b: 1 } }, 'a.b: must be null'],
  [object({ a: { type: 'string', nullable: true } }), { a: null }, undefined],
  [object({}), [], ': must be an object'],
])('a fault names the place and what it wants: %j %j', (schema, value, fault) => {
  expect(text(schema, value)).toBe(fault)
})

test('any schema whatever is read without harm', () => {
  fc.assert(
    fc.property(fc.jsonValue(), anyValue, (schema, value) => {
      faultOf(schema, value)
    }),
  )
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom(
          'type',
          'enum',
          'required',
          'properties',
          'items',
          'anyOf',
          'oneOf',
          'not',
          '$ref',
          'minLength',
          '__proto__',
        ),
        fc.jsonValue(),
      ),
      anyValue,
      (schema, value) => {
        faultOf(schema, value)
      },
    ),
  )
})

test.each([
  ['a reference to itself', { $ref: '#' }, {}],
  ['forms upon forms', { $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }, 1],
  ['a schema as deep as can be', JSON.parse(`${'{"not":'.repeat(20_000)}{}${'}'.repeat(20_000)}`), 1],
  ['a choice as deep as can be', { const: JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) }, 1],
  ['a value with very many parts', { items: { type: 'null' } }, Array.from({ length: 300_000 }, () => null)],
])('the work is bounded: %s', (_name, schema, value) => {
  expect(text(schema, value)).toMatch(/cannot be checked/)
})

test('patterns, formats and other people’s schemas bind nothing', () => {
  const schema = object(
    { a: { pattern: '^(a+)+$', format: 'email' }, b: { $ref: 'https://example.com/x' }, c: { $ref: '#/nowhere' } },
    { patternProperties: { '(x+)+$': { type: 'null' } }, additionalProperties: false, $async: true },
  )
  expect(faultOf(schema, { a: `${'a'.repeat(50)}!`, b: 1, c: 1, [`${'x'.repeat(50)}!`]: 1 })).toBeUndefined()
})

test('names of Object.prototype are names like others', () => {
  expect(text(object({}, { required: ['toString'] }), {})).toBe('toString: is required')
  expect(text(object({}, { additionalProperties: false }), { constructor: 1 })).toBe('constructor: is not allowed')
})

test('equal values have one canonical text', () => {
  expect(canonical({ b: [{ d: 1, c: 2 }], a: 1 })).toBe(canonical(JSON.parse('{"a":1.0,"b":[{"c":2,"d":1}]}')))
  expect(canonical({ a: [1, 2] })).not.toBe(canonical({ a: [2, 1] }))
})
