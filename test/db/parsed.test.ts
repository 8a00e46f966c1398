import { expect, test } from 'vitest'
import { parsedOnce } from '../../src/db/parsed.ts'

test('one text is parsed once, and what it means can be changed by nobody', () => {
  const parse = parsedOnce()
  const text = JSON.stringify({ parameters: { type: 'object', required: ['a'] }, none: null })
  const value = parse(text)
  expect(value).toEqual(JSON.parse(text))
  expect(parse(` ${text}`.slice(1))).toBe(value)
  expect(Object.isFrozen((value as { parameters: { required: string[] } }).parameters.required)).toBe(true)
})

test('a text that is nested as deep as can be written is read', () => {
  const text = `${'{"a":'.repeat(4000)}1${'}'.repeat(4000)}`
  expect(JSON.stringify(parsedOnce()(text))).toBe(text)
})

test('texts that are many push out the older ones, and mean the same when they come again', () => {
  const parse = parsedOnce()
  const text = (number: number) => JSON.stringify({ number, long: 'x'.repeat(1_000_000) })
  const first = parse(text(1))
  for (let number = 2; number < 6; number++) expect(parse(text(number))).toMatchObject({ number })
  expect(parse(text(1))).toEqual(first)
  expect(parse(text(1))).not.toBe(first)
})
