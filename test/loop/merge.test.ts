import { expect, test } from 'vitest'
import { Cancelled, InvalidArgument } from '../../src/errors.ts'
import { together } from '../../src/loop/merge.ts'
import type { MessageStream } from '../../src/loop/stream.ts'
import type { Said } from '../../src/loop/turn.ts'
import type { LettaMessage } from '../../src/wire/message.ts'

const said = (text: string): Said => ({ stop: 'end_turn', said: [text], calls: [], at: { turn: 0, place: 0, agentId: 'a' } })
const piece = (id: string) => [{ id } as LettaMessage]

/** A turn that goes on when it is told to. */
function turn(name: string) {
  const steps: PromiseWithResolvers<'word' | 'end' | Error>[] = [Promise.withResolvers()]
  const tell = (what: 'word' | 'end' | Error) => {
    steps.at(-1)!.resolve(what)
    steps.push(Promise.withResolvers())
  }
  async function* run(): MessageStream<Said> {
    for (let at = 0; ; at++) {
      const next = await steps[at]!.promise
      if (next === 'end') return said(name)
      if (next instanceof Error) throw next
      yield piece(`${name}${at}`)
    }
  }
  return { run: run(), tell }
}

test('what any of them says comes at once; the results stand in the order of the turns', async () => {
  const [a, b] = [turn('a'), turn('b')]
  const both = together([a.run, b.run])
  const ids = async () => (await both.next()).value
  b.tell('word')
  expect(await ids()).toEqual(piece('b0'))
  a.tell('word')
  expect(await ids()).toEqual(piece('a0'))
  b.tell('end')
  a.tell('word')
  expect(await ids()).toEqual(piece('a1'))
  a.tell('end')
  expect(await both.next()).toEqual({ done: true, value: [said('a'), said('b')] })
})

test('one that fails is an entry like the others; what we did not throw keeps its text to itself', async () => {
  const [a, b, c] = [turn('a'), turn('b'), turn('c')]
  const all = together([a.run, b.run, c.run])
  a.tell(new InvalidArgument('Not so.'))
  b.tell(new Error('secret'))
  c.tell('word')
  expect(await all.next()).toEqual({ done: false, value: piece('c0') })
  c.tell('end')
  expect(await all.next()).toEqual({
    done: true,
    value: [{ failure: 'Not so.' }, { failure: 'An unknown error occurred' }, said('c')],
  })
})

test('a cancel ends all, when each has come to its end', async () => {
  const [a, b] = [turn('a'), turn('b')]
  const both = together([a.run, b.run])
  a.tell(new Cancelled())
  b.tell('word')
  expect(await both.next()).toEqual({ done: false, value: piece('b0') })
  b.tell(new Cancelled())
  await expect(both.next()).rejects.toThrow(Cancelled)
})

test('nobody at all is over at once', async () => {
  expect(await together([]).next()).toEqual({ done: true, value: [] })
})
