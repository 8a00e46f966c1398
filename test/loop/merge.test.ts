import { expect, test } from 'vitest'
import { Cancelled, InvalidArgument, Suspended } from '../../src/errors.ts'
import { together } from '../../src/loop/merge.ts'
import type { Said } from '../../src/loop/turn.ts'

const said = (text: string): Said => ({ stop: 'end_turn', said: [text], calls: [], at: { turn: 0, place: 0, agentId: 'a' } })

/** A turn that ends when it is told to. */
const turn = () => Promise.withResolvers<Said>()

/** Over or not, once all that can happen without the turns has happened. */
async function isOver(what: Promise<unknown>): Promise<boolean> {
  let over = false
  const set = () => void (over = true)
  what.then(set, set)
  await new Promise(setImmediate)
  return over
}

test('the results stand in the order of the turns, and are there when the last of them has ended', async () => {
  const [a, b, c] = [turn(), turn(), turn()]
  const all = together([a.promise, b.promise, c.promise])
  c.resolve(said('c'))
  a.resolve(said('a'))
  expect(await isOver(all)).toBe(false)
  b.resolve(said('b'))
  expect(await all).toEqual([said('a'), said('b'), said('c')])
})

test('one that fails is an entry like the others; what we did not throw keeps its text to itself', async () => {
  const [a, b, c] = [turn(), turn(), turn()]
  const all = together([a.promise, b.promise, c.promise])
  a.reject(new InvalidArgument('Not so.'))
  b.reject(new Error('secret'))
  expect(await isOver(all)).toBe(false)
  c.resolve(said('c'))
  expect(await all).toEqual([{ failure: 'Not so.' }, { failure: 'An unknown error occurred' }, said('c')])
})

test.each([new Cancelled(), new Suspended()])('%o ends all, when each has come to its end', async (reason) => {
  const [a, b, c] = [turn(), turn(), turn()]
  const all = together([a.promise, b.promise, c.promise])
  b.reject(reason)
  a.reject(new Error('secret'))
  expect(await isOver(all)).toBe(false)
  c.resolve(said('c'))
  await expect(all).rejects.toBe(reason)
})

test('nobody at all is over at once', async () => {
  expect(await together([])).toEqual([])
})
