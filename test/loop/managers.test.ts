import { expect, test } from 'vitest'
import type { StopReasonType } from '../../src/wire/run.ts'
import { roundRobin } from '../../src/loop/managers/round-robin.ts'
import type { Ending, Manager } from '../../src/loop/managers/manager.ts'

/** Plays a manager with members that say nothing, and writes down who was let speak. */
async function play(manager: Manager, names: string[], maxTurns: number | null, stops: StopReasonType[] = []) {
  const spoke: string[] = []
  const chat = manager({
    members: names.map((name) => ({ id: name, name })),
    maxTurns,
    // oxlint-disable-next-line require-yield -- a member that says nothing
    async *speak({ name }) {
      spoke.push(name)
      return { stop: stops[spoke.length - 1] ?? 'end_turn', said: [] }
    },
  })
  let item = await chat.next()
  while (!item.done) item = await chat.next()
  return { spoke: spoke.join(' '), ending: item.value satisfies Ending }
}

test('round robin: everybody speaks once, in the group’s order', async () => {
  expect(await play(roundRobin, ['a', 'b', 'c'], null)).toEqual({
    spoke: 'a b c',
    ending: { stop: 'end_turn', endedBy: 'max_turns' },
  })
})

test('round robin: more turns go round again, fewer leave some silent, and one who is there twice speaks twice', async () => {
  expect((await play(roundRobin, ['a', 'b', 'c'], 5)).spoke).toBe('a b c a b')
  expect((await play(roundRobin, ['a', 'b', 'c'], 2)).spoke).toBe('a b')
  expect((await play(roundRobin, ['a', 'b', 'a'], null)).spoke).toBe('a b a')
})

test('round robin: a turn that a tool ended is a turn; one that a limit ended ends the conversation', async () => {
  expect((await play(roundRobin, ['a', 'b'], null, ['tool_rule'])).spoke).toBe('a b')
  expect(await play(roundRobin, ['a', 'b'], null, ['max_steps'])).toEqual({
    spoke: 'a',
    ending: { stop: 'max_steps', endedBy: null },
  })
})
