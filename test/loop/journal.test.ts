import { expect, test } from 'vitest'
import type { StepRow } from '../../src/db/store.ts'
import { Journal, type StepOutcome } from '../../src/loop/journal.ts'

const outcome = (said: string): StepOutcome => ({
  recorded: {
    stop: 'end_turn',
    said: [said],
    calls: [],
    returned: [],
    model: 'm',
    handle: 'p/m',
    providerType: 'p',
    endpoint: '',
    contextWindow: 1,
    usage: {
      promptTokens: 2,
      completionTokens: 1,
      totalTokens: 3,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      reasoningTokens: null,
    },
  },
  rows: [],
  messages: [],
})

function journal(steps: StepRow[] = [], maxSteps = 10) {
  const committed: StepRow[] = []
  const made: string[] = []
  const commit = async (step: Omit<StepRow, 'tenant'>) => void committed.push({ ...step, tenant: 't' })
  const retries = { waitMs: () => undefined, wait: async () => {} }
  const book = new Journal('run-x', steps, { maxSteps, commit, retries })
  const take = async (turn: number, place: number, said: string) => {
    let frames = 0
    const recorded = await book.step({ turn, place, agentId: 'agent-x' }, async () => {
      made.push(said)
      frames++
      return outcome(said)
    })
    return { said: recorded.said[0], frames }
  }
  return { book, committed, made, take }
}

test('a recorded step is not made again: its words come back, and nobody is shown anything', async () => {
  const first = journal()
  await first.take(0, 0, 'one')
  await first.take(1, 0, 'two')
  const replay = journal(first.committed)
  expect(await replay.take(0, 0, 'other')).toEqual({ said: 'one', frames: 0 })
  expect(await replay.take(1, 0, 'other')).toEqual({ said: 'two', frames: 0 })
  expect(await replay.take(2, 0, 'three')).toEqual({ said: 'three', frames: 1 })
  expect(replay.made).toEqual(['three'])
  expect(replay.book.usages.length).toBe(3)
})

test('recorded steps count against the request’s limit', async () => {
  const first = journal()
  await first.take(0, 0, 'one')
  const replay = journal(first.committed, 2)
  await replay.take(0, 0, 'other')
  expect(replay.book.full).toBe(false)
  await replay.take(1, 0, 'two')
  expect(replay.book.full).toBe(true)
})

test('an act is done once, and what a replay needs of it comes back', async () => {
  const at = { turn: 0, place: 0, agentId: 'agent-x' }
  const first = journal()
  await first.take(0, 0, 'one')
  const given = { rows: [], messages: [], said: ['late'], stop: 'tool_rule' as const }
  expect(await first.book.act(at, async () => given)).toMatchObject({ said: ['late'], stop: 'tool_rule' })
  const replay = journal(first.committed)
  expect(
    await replay.book.act(at, () => {
      throw new Error('done already')
    }),
  ).toMatchObject({ said: ['late'], stop: 'tool_rule', returned: [] })
  expect(replay.book.usages).toEqual([])
  expect(replay.committed).toEqual([])
})

test('steps of a run that is taken up do not count against the limit, nor as this run’s usage', async () => {
  const paused = journal()
  await paused.take(0, 0, 'one')
  const next = journal(
    paused.committed.map((step) => ({ ...step, runId: 'run-before' })),
    1,
  )
  expect(await next.take(0, 0, 'other')).toEqual({ said: 'one', frames: 0 })
  expect(next.book.full).toBe(false)
  expect(next.book.usages).toEqual([])
  await next.take(1, 0, 'two')
  expect(next.book.full).toBe(true)
})

test('what paused is known until its act is of an earlier run', async () => {
  const first = journal()
  await first.take(0, 0, 'one')
  const steps = first.committed.map((step) => ({ ...step, runId: 'run-1', recorded: { ...step.recorded, waits: ['call_1'] } }))
  const act = (runId: string): StepRow => ({ ...steps[0]!, id: 'step-act', kind: 'act', runId })
  expect(journal(steps).book.paused).toEqual(steps)
  expect(journal([...steps, act('run-x')]).book.paused).toEqual(steps)
  expect(journal([...steps, act('run-2')]).book.paused).toEqual([])
})
