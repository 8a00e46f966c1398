import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readRetryAfter } from '../../src/llm/errors.ts'
import type { RetryOptions } from '../../src/llm/retry.ts'
import { collect, dialects, failing, KEY, modelCall, openAi, textOf, weather } from './call.ts'

/** No clock: each wait is written down, and over at once. */
function written(options: RetryOptions = {}) {
  const waits: number[] = []
  return { waits, retry: { jitter: () => 0, wait: async (ms: number) => void waits.push(ms), ...options } }
}

const now = new Date('2026-01-01T00:00:00Z')

/** Status, `Retry-After`, the waits before each further try. */
const table: [number, string | undefined, number[]][] = [
  [500, undefined, [500, 1000]],
  [503, undefined, [500, 1000]],
  [529, undefined, [500, 1000]],
  [408, undefined, [500, 1000]],
  [429, undefined, [500, 1000]],
  [429, '0', [500, 1000]],
  [429, '0.7', [700, 1000]],
  [429, '2', [2000, 2000]],
  [503, '20', [20_000, 20_000]],
  [429, 'Thu, 01 Jan 2026 00:00:07 GMT', [7000, 7000]],
  [429, 'Mon, 01 Jan 2001 00:00:00 GMT', [500, 1000]],
  [429, '21', []],
  [429, '3600', []],
  [429, '9'.repeat(400), []],
  [429, 'Fri, 31 Dec 9999 23:59:59 GMT', []],
  ...['soon', '-5', 'NaN', '1e99', 'Infinity', '0x10', '1 2', ''].map((odd): [number, string, number[]] => [
    429,
    odd,
    [500, 1000],
  ]),
  [400, '1', []],
  [401, '1', []],
  [403, '1', []],
  [404, '1', []],
]

describe.each(dialects)('F37 $name', ({ start }) => {
  test.each(table)('HTTP %i with Retry-After %.40s is tried again after %j', async (status, after, expected) => {
    vi.useFakeTimers({ now, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { waits, retry } = written()
    const { llm, provider } = await start({ retry })
    llm.script(() => ({ status, ...(after !== undefined && { headers: { 'retry-after': after } }) }))
    const { deltas } = await failing(provider)
    expect(waits).toEqual(expected)
    expect(llm.requests).toHaveLength(expected.length + 1)
    expect(deltas.map(({ type }) => type)).toEqual(expected.map(() => 'retrying'))
  })

  test('the reader is told of each wait before it begins, and of whom and why', async () => {
    const begun: string[] = []
    const wait = async () => void begun.push('wait')
    const { llm, provider } = await start({ retry: { jitter: () => 0, wait } })
    llm.script([
      { status: 429, body: { error: { message: `Slow down, ${KEY}` } } },
      { raw: [], cut: true },
      { text: 'At last.' },
    ])
    const deltas = await collect(provider, { signal: new AbortController().signal })
    expect(deltas.slice(0, 2)).toEqual([
      {
        type: 'retrying',
        attempt: 2,
        waitMs: 500,
        reason: expect.stringMatching(/127\.0\.0\.1:\d+.*limits our rate.*Slow down/),
      },
      { type: 'retrying', attempt: 3, waitMs: 1000, reason: expect.stringMatching(/The connection to .*127\.0\.0\.1/) },
    ])
    expect(textOf(deltas)).toBe('At last.')
    expect(JSON.stringify(deltas)).not.toContain(KEY)
    expect(begun).toEqual(['wait', 'wait'])
  })

  test('nothing is asked for again once anything was said', async () => {
    const { waits, retry } = written()
    const { llm, provider } = await start({ retry })
    llm.script([{ text: 'one two three', cutAfter: 1 }])
    expect(textOf((await failing(provider)).deltas)).toBe('one ')
    expect(waits).toEqual([])
    expect(llm.requests).toHaveLength(1)
  })

  test('what was asked is kept for further tries, and let go once anything was said', async () => {
    const { retry } = written()
    const { llm, provider } = await start({ retry })
    llm.script([{ status: 503 }, { text: 'one two' }])
    const call = modelCall({ tools: [weather] })
    const asked = structuredClone({ system: call.system, messages: call.messages, tools: call.tools })
    const kept: unknown[] = []
    await provider.stream(call, (deltas) => {
      const { system, messages, tools } = call
      for (const { type } of deltas) kept.push([type, { system, messages, tools }])
      return undefined
    })
    const nothing = { system: '', messages: [], tools: [] }
    expect(kept[0]).toEqual(['retrying', asked])
    expect(kept.slice(1)).toEqual(
      expect.arrayContaining([
        ['text', nothing],
        ['finish', nothing],
      ]),
    )
    expect(kept.slice(1)).not.toContainEqual([expect.anything(), asked])
    expect(llm.requests[1]!.body).toEqual(llm.requests[0]!.body)
  })
})

test('F37 waits are spread by a share of the backoff, also behind Retry-After', async () => {
  const { waits, retry } = written({ jitter: () => 0.5 })
  const { llm, provider } = await openAi({ retry })
  llm.script([{ status: 500 }, { status: 429, headers: { 'retry-after': '2' } }])
  await collect(provider)
  expect(waits).toEqual([750, 2500])
})

test('F37 an abort ends the wait for the next try', async () => {
  const { llm, provider } = await openAi({ retry: { backoffMs: [1e8], longestWaitMs: 1e9 } })
  const abort = new AbortController()
  llm.script(() => ({ status: 500 }))
  const failed = failing(provider, { signal: abort.signal })
  await llm.received(1)
  await llm.requests[0]!.closed
  abort.abort(new Error('enough'))
  expect((await failed).error).toEqual(new Error('enough'))
})

test('F37 Retry-After is seconds or a date', () => {
  expect(readRetryAfter('1.5')).toBe(1500)
  expect(readRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000)).toBe(6000)
  expect(readRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT')).toBe(0)
  expect(readRetryAfter('soon')).toBeUndefined()
})
