import fc from 'fast-check'
import { expect, test } from 'vitest'
import { repeats } from '../../src/tools/loop-guard.ts'

const call = (args: string, name = 'look') => ({ name, arguments: args })
const refused = (history: string[], calls: string[]) =>
  repeats(
    history.map((args) => call(args)),
    calls.map((args) => call(args)),
  ).map((text) => text !== undefined)

test('F46 the fourth call with the same arguments is refused, in one step or over several', () => {
  expect(refused([], ['{}', '{}', '{}', '{}', '{}'])).toEqual([false, false, false, true, true])
  expect(refused(['{}', '{}', '{}'], ['{}'])).toEqual([true])
  expect(repeats([call('{}'), call('{}'), call('{}')], [call('{}')])[0]).toMatch(/^look was called .* 4 times/)
})

test('spaces and the order of keys make no difference; another tool or value does', () => {
  expect(refused(['{"a":1,"b":2}', '{"b":2, "a":1}', ' {"a":1.0,"b":2}'], ['{"b":2,"a":1}', '{"a":1,"b":3}'])).toEqual([
    true,
    false,
  ])
  expect(refused(['', '{}', ' '], ['{}'])).toEqual([true])
  expect(repeats([call('{}'), call('{}'), call('{}')], [call('{}', 'other')])).toEqual([undefined])
})

test('arguments that cannot be read are the same when their text is', () => {
  expect(refused(['{"a', '{"a', '{"a'], ['{"a', '{"b'])).toEqual([true, false])
})

test('F46 however calls are spread over the steps, each may be made three times', () => {
  const args = fc.constantFrom('{}', '{"a":1}', '[', '{"a":{"b":[]}}')
  fc.assert(
    fc.property(fc.array(args, { maxLength: 20 }), fc.array(args, { maxLength: 20 }), (history, calls) => {
      expect(refused(history, calls)).toEqual(refused([], [...history, ...calls]).slice(history.length))
      expect(refused([], calls).filter((no) => !no).length).toBeLessThanOrEqual(12)
    }),
  )
})
