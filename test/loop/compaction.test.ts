import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MessageRow, Part } from '../../src/db/store.ts'
import { SystemPromptTooLong } from '../../src/llm/errors.ts'
import { compact, compactionEvent, type CompactOptions } from '../../src/loop/compaction.ts'
import { promptMessages } from '../../src/loop/prompt.ts'
import { estimateTokens } from '../../src/loop/tokens.ts'
import { expand } from '../../src/stream/expand.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import { EventMessage, SummaryMessage } from '../../src/wire/message.ts'
import { allowed, call, complaints, result, row, summary, text } from '../support/history.ts'

type Settings = NonNullable<AgentState['compaction_settings']>
const settings = (some: Partial<Settings> = {}): Settings => ({
  prompt_acknowledgement: false,
  clip_chars: 50_000,
  mode: 'sliding_window',
  sliding_window_percentage: 0.3,
  ...some,
})

/** Compacts with a model that says `said`, and shows what it was given. */
async function compacted(rows: MessageRow[], options: Partial<CompactOptions> = {}) {
  const asked: { transcript: string; prompt: string }[] = []
  const done = await compact({
    rows,
    agent: { id: 'agent-x' },
    settings: null,
    window: 1000,
    summarise: async (transcript, prompt) => {
      asked.push({ transcript, prompt })
      return 'They met.'
    },
    trigger: 'post_step_context_check',
    ...options,
  })
  const gone = new Set(done?.evicted)
  const [system, ...rest] = rows.filter(({ id }) => !gone.has(id))
  return {
    done,
    asked,
    context: done ? [system!, done.summary, ...rest] : rows,
    evicted: rows.filter(({ id }) => gone.has(id)),
  }
}

const system = row('system', [text('Be brief.')])
const words = (count: number) => 'word '.repeat(count)
const talk = (count: number, each = 10) =>
  Array.from({ length: count }, (_, index) => row(index % 2 ? 'assistant' : 'user', [text(`${index} ${words(each)}`)]))

const returning = (content: string): Part => ({ type: 'tool_return', tool_call_id: '9', content, is_error: false })

// A few ids for all calls, as some providers have them.
const ids = fc.uniqueArray(fc.constantFrom('1', '2', '3'), { minLength: 1, maxLength: 3 })
const stepIds = fc.option(fc.uuid(), { nil: null })
const speeches = fc.nat({ max: 60 }).map((count) => [text(`so ${words(count)}`)])
const speech = fc.tuple(fc.constantFrom('user' as const, 'system' as const, 'assistant' as const), speeches)
const episode = fc.oneof(
  { weight: 3, arbitrary: speech.map(([role, parts]) => [row(role, parts)]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(ids, stepIds, speeches, fc.boolean())
      .map(([called, stepId, parts, apart]) => [
        row('assistant', [...parts, ...called.map(call)], { stepId }),
        ...(apart ? called.map((id) => row('tool', [result(id)], { stepId })) : [row('tool', called.map(result), { stepId })]),
      ]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(ids, stepIds, speeches)
      .map(([called, stepId, parts]) => [
        row('approval', [...parts, ...called.map(call)], { stepId }),
        row('approval', [allowed(...called)], { stepId }),
        row('tool', called.map(result), { stepId }),
      ]),
  },
  // A call without its result, and the other way round.
  ids.map((called) => [row('assistant', called.map(call))]),
  ids.map((returned) => [row('tool', returned.map(result))]),
)
const waiting = ids.map((called) => [row('approval', called.map(call))])
const histories = fc
  .tuple(
    fc.boolean(),
    fc.array(episode, { minLength: 1, maxLength: 40 }),
    fc.option(waiting),
    fc.array(speech, { maxLength: 2 }),
  )
  .map(([before, episodes, pending, after]) => [
    system,
    ...(before ? [summary('Long ago.')] : []),
    ...episodes.flat(),
    ...(pending ?? []),
    ...(pending ? after.filter(([role]) => role !== 'assistant').map(([role, parts]) => row(role, parts)) : []),
  ])

/** Which rows need each other: a result and an answer need the last request before them, a step's rows one another. */
function bonds(rows: MessageRow[]): [MessageRow, MessageRow][] {
  const found: [MessageRow, MessageRow][] = []
  for (const [index, later] of rows.entries()) {
    const before = rows.slice(0, index)
    const step = later.stepId !== null && before.find(({ stepId }) => stepId === later.stepId)
    if (step) found.push([step, later])
    for (const part of later.parts) {
      const names =
        part.type === 'tool_return'
          ? [part.tool_call_id]
          : part.type === 'approval_response'
            ? part.approvals.map(({ tool_call_id }) => tool_call_id)
            : []
      for (const name of names) {
        const at = before.findLastIndex(({ parts }) => parts.some((one) => one.type === 'tool_call' && one.id === name))
        const returned = before
          .slice(at + 1)
          .some(({ parts }) => parts.some((one) => one.type === 'tool_return' && one.tool_call_id === name))
        if (at >= 0 && !returned) found.push([before[at]!, later])
      }
    }
  }
  return found
}

const resultsIn = (rows: MessageRow[]) =>
  promptMessages(rows.slice(1)).flatMap((message) => (message.role === 'tool' ? message.results : []))

test('whatever a history looks like, whole units leave it, and every provider takes what is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      fc.constantFrom('sliding_window' as const, 'all' as const),
      fc.integer({ min: 300, max: 3000 }),
      async (rows, mode, window) => {
        const { context, evicted, done } = await compacted(rows, { window, settings: settings({ mode }), force: true })
        const gone = new Set(evicted)
        for (const [one, other] of bonds(rows)) expect(gone.has(one)).toBe(gone.has(other))
        expect(complaints(promptMessages(context.slice(1)))).toEqual([])
        // No call that had its result has lost it.
        const interrupted = (all: MessageRow[]) => resultsIn(all).filter(({ isError }) => isError).length
        expect(interrupted(context)).toBeLessThanOrEqual(interrupted(rows))
        // The system prompt and a pending approval stay; the newest unit does where it leaves room, which here it always can.
        const asking = rows.findLast(({ role, parts }) => role === 'approval' && parts.some(({ type }) => type === 'tool_call'))
        const pending = asking && !bonds(rows).some(([one]) => one === asking) ? [asking] : []
        const newest = window > 1000 ? rows.slice(-1) : []
        expect([rows[0]!, ...pending, ...newest].filter((stays) => gone.has(stays))).toEqual([])
        const summaries = context.filter(({ role }) => role === 'summary')
        expect(summaries).toEqual(done ? [done.summary] : rows.filter(({ role }) => role === 'summary'))
        expect(done?.stats.messages_count_after ?? rows.length).toBe(context.length)
      },
    ),
    { numRuns: 200 },
  )
})

test('a thousand messages come to fit a window of 4,000 tokens, the newest of them as they were', async () => {
  const rows = [system, ...talk(1000, 12)]
  expect(estimateTokens(rows)).toBeGreaterThan(4000)
  const { done, context, asked } = await compacted(rows, { window: 4000 })
  expect(asked).toHaveLength(1)
  expect(estimateTokens(asked[0]!.transcript)).toBeLessThan(4000)
  expect(estimateTokens(context)).toBeLessThan(0.7 * 4000 + 200)
  expect(context.slice(2)).toEqual(rows.slice(-(context.length - 2)))
  expect(context.length).toBeGreaterThan(50)
  expect(done!.stats).toMatchObject({ messages_count_before: 1001, messages_count_after: context.length, context_window: 4000 })
  expect(complaints(promptMessages(context.slice(1)))).toEqual([])
})

test('the first cut is at 40 % of the messages, and goes further until 70 % of the window hold what is left', async () => {
  const rows = [system, ...talk(19)]
  const small = await compacted(rows, { force: true, window: 100_000 })
  expect(small.context).toHaveLength(20 - 7 + 1)
  const tight = await compacted(rows, { window: 250 })
  expect(estimateTokens(tight.context.filter(({ role }) => role !== 'summary'))).toBeLessThanOrEqual(0.7 * 250)
  expect(tight.context.length).toBeLessThan(small.context.length)
})

test('a cut that would part a call from its result is moved back to before the call', async () => {
  // Seven rows of twenty would go: the seventh is the first of three that belong together.
  const unit = [row('approval', [call('1')]), row('approval', [allowed('1')]), row('tool', [result('1')])]
  const rows = [system, ...talk(5), ...unit, ...talk(11)]
  const { evicted } = await compacted(rows, { force: true, window: 100_000 })
  expect(evicted).toEqual(rows.slice(1, 6))
})

test('a context with room to spare is left as it is, unless somebody asks', async () => {
  const rows = [system, ...talk(10)]
  expect((await compacted(rows)).done).toBeUndefined()
  expect((await compacted(rows, { force: true })).done).toBeDefined()
  expect((await compacted(rows, { tokens: 901 })).done?.stats.context_tokens_before).toBe(901)
  expect((await compacted(rows, { tokens: 900 })).done).toBeUndefined()
})

test('with nothing but a system prompt, a summary and one unit there is nothing to gain', async () => {
  for (const rows of [[system], [system, ...talk(1)], [system, summary('Long ago.'), ...talk(1)]]) {
    const { done, asked } = await compacted(rows, { force: true })
    expect({ done, asked }).toEqual({ done: undefined, asked: [] })
  }
})

test('what is refused as too long counts as longer than the window, however little we think it is', async () => {
  const { done } = await compacted([system, ...talk(30)], { trigger: 'context_window_exceeded', force: true, window: 128_000 })
  expect(done!.stats.context_tokens_before).toBe(128_001)
  expect(done!.stats.context_tokens_after).toBeLessThan(0.7 * 128_000 + 100)
})

test('an earlier summary is folded into the new one, whole and first', async () => {
  const long = `They met in Rome. ${words(200)}`
  const { asked, context, evicted } = await compacted([system, summary(long), ...talk(20, 100)], { window: 1000 })
  expect(asked[0]!.transcript).toMatch(/^\[Summary of what came before\]\nThey met in Rome\./)
  expect(asked[0]!.transcript).toContain(long)
  expect(evicted[0]!.role).toBe('summary')
  expect(context.filter(({ role }) => role === 'summary')).toHaveLength(1)
})

test('a pending approval stays in either mode, with all of its step', async () => {
  const stepId = 'step-1'
  const asking = [row('assistant', [call('1')], { stepId }), row('approval', [call('2')], { stepId })]
  const rows = [system, ...talk(4), ...asking, ...talk(20, 100)]
  for (const mode of ['all', 'sliding_window'] as const) {
    const { context } = await compacted(rows, { settings: settings({ mode }) })
    expect(context.slice(2, 4)).toEqual(asking)
  }
})

test('mode all leaves the newest unit, and not even that when it alone is too much', async () => {
  const rows = [system, ...talk(9)]
  const all = { settings: settings({ mode: 'all' }), force: true }
  expect((await compacted(rows, all)).context.slice(2)).toEqual(rows.slice(-1))
  const huge = [...rows, row('tool', [returning(words(5000))])]
  expect((await compacted(huge, all)).context).toHaveLength(2)
})

test('when a part cannot be summarised all is tried; when that fails too, the failure is the answer', async () => {
  const modes: string[] = []
  const summarise = (works: number) => async (_: string, prompt: string) => {
    modes.push(prompt.includes('nearly the whole') ? 'all' : 'part')
    if (modes.length < works) throw new Error('out of credits')
    return 'They met.'
  }
  const rows = [system, ...talk(20)]
  const { context } = await compacted(rows, { force: true, summarise: summarise(2) })
  expect(modes).toEqual(['part', 'all'])
  expect(context.slice(2)).toEqual(rows.slice(-1))
  await expect(compacted(rows, { force: true, summarise: summarise(Infinity) })).rejects.toThrow('out of credits')
})

test('a system prompt that fills the window by itself is refused before any model is asked', async () => {
  const rows = [row('system', [text(words(1000))]), ...talk(5)]
  const failure = await compacted(rows, { summarise: () => Promise.reject(new Error('asked')) }).catch(
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(SystemPromptTooLong)
  const overflow = 'context_window_overflow_in_system_prompt'
  expect(failure).toMatchObject({ status: 400, errorType: overflow, stopReason: overflow })
})

test('an agent’s own prompt is used, and clip_chars bounds the summary', async () => {
  const { done } = await compacted([system, ...talk(20)], {
    force: true,
    settings: settings({ prompt: 'As a haiku.', clip_chars: 100 }),
    summarise: async (_, prompt) => `${prompt} ${words(100)}`,
  })
  expect(done!.text.length).toBeLessThan(200)
  expect(done!.text).toMatch(/^As a haiku\. word/)
})

test('a summary never takes more than a fifth of the window', async () => {
  const { done } = await compacted([system, ...talk(50)], { summarise: async () => words(5000), window: 500 })
  expect(estimateTokens(done!.text)).toBeLessThan(0.2 * 500 + 20)
})

test('one endless message does not take all the room of a transcript', async () => {
  const rows = [system, row('tool', [returning('x'.repeat(1_000_000))]), ...talk(20)]
  const { asked } = await compacted(rows, { window: 200_000, force: true })
  expect(asked[0]!.transcript.length).toBeLessThan(30_000)
  expect(asked[0]!.transcript).toContain('assistant: 3 word')
})

test('on the wire it is an event before and a summary after, by the same step', async () => {
  const during = { runId: 'run-1', stepId: 'step-1' }
  const { done } = await compacted([system, ...talk(20)], { force: true, during })
  const [shown, ...others] = expand(done!.summary)
  expect(others).toEqual([])
  expect(SummaryMessage.parse(shown)).toMatchObject({
    run_id: 'run-1',
    step_id: 'step-1',
    summary: expect.stringMatching(/^Older messages.*They met\.$/s),
    compaction_stats: done!.stats,
  })
  const event = compactionEvent({ ...during, date: 0 }, { trigger: 'post_step_context_check', tokens: 950, window: 1000 })
  expect(EventMessage.parse(event)).toMatchObject({
    run_id: 'run-1',
    otid: null,
    event_type: 'compaction',
    event_data: { trigger: 'post_step_context_check', context_token_estimate: 950, context_window: 1000 },
  })
})

test('a summary row that is not packed is shown as it is', () => {
  for (const said of ['They met.', '{"type":"other"}', '[1]']) {
    expect(expand(row('summary', [text(said)]))).toMatchObject([
      { message_type: 'summary_message', summary: said, compaction_stats: null },
    ])
  }
})
