import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Deadlines, forSilentThinker } from '../../src/llm/deadlines.ts'
import type { ProviderOptions } from '../../src/llm/openai.ts'
import type { Dialect } from '../support/scripted-dialects.ts'
import type { Reply } from '../support/scripted-provider.ts'
import { collect, dialects, failing, textOf } from './call.ts'

const timeouts = { requestTimeoutMs: 60, streamTimeoutMs: 100, totalTimeoutMs: 1000 }

/** A clock that stands still, and what it has been told is late. */
function clock() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const late: string[] = []
  return {
    late,
    deadlines: new Deadlines(timeouts, (what) => late.push(what)),
    pass: (ms: number) => vi.advanceTimersByTime(ms),
  }
}

test('F36 only a token is a first token: a head and pings are none', () => {
  const { late, deadlines, pass } = clock()
  for (let ms = 0; ms < 59; ms++) {
    pass(1)
    deadlines.heard(false)
  }
  expect(late).toEqual([])
  pass(1)
  expect(late).toEqual(['no answer within 60 ms'])
})

test('F36 after it each sign of life is one, and silence is counted from the last', () => {
  const { late, deadlines, pass } = clock()
  deadlines.heard(true)
  pass(99)
  deadlines.heard(false)
  pass(99)
  expect(late).toEqual([])
  pass(1)
  expect(late).toEqual(['nothing came for 100 ms'])
})

test('F36 an answer that goes on and on has an end', () => {
  const { late, deadlines, pass } = clock()
  for (let ms = 0; ms < 999; ms++) {
    pass(1)
    deadlines.heard(true)
  }
  expect(late).toEqual([])
  pass(1)
  expect(late).toEqual(['the answer took more than 1000 ms'])
})

test('F36 a consumer that does not pull is no silence of the model', () => {
  const { late, deadlines, pass } = clock()
  deadlines.heard(true)
  deadlines.pause()
  pass(500)
  deadlines.resume()
  pass(99)
  expect(late).toEqual([])
  pass(1)
  expect(late).toEqual(['nothing came for 100 ms'])
})

test('F36 an end that is awaited has its own time, and nothing is late when all is over', () => {
  const { late, deadlines, pass } = clock()
  deadlines.expectEnd(30)
  pass(30)
  expect(late).toEqual(['the answer did not end for 30 ms'])
  deadlines.expectEnd(30)
  deadlines.stop()
  deadlines.resume()
  pass(1e6)
  expect(late).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('F36 who held an answer back gives its end no more time than it had', () => {
  const { late, deadlines, pass } = clock()
  deadlines.heard(true)
  deadlines.expectEnd(30)
  deadlines.pause()
  pass(500)
  expect(late).toEqual([])
  deadlines.resume()
  pass(30)
  expect(late).toEqual(['the answer did not end for 30 ms'])
})

test('F36 tokens make no timers', () => {
  const { deadlines } = clock()
  deadlines.heard(true)
  const made = vi.spyOn(globalThis, 'setTimeout')
  for (let token = 0; token < 1000; token++) deadlines.heard(true)
  expect(made).not.toHaveBeenCalled()
})

test('F36 a model that thinks out of sight may be as silent before its first token as after it', () => {
  expect(forSilentThinker(timeouts)).toEqual({ ...timeouts, requestTimeoutMs: 100 })
  expect(forSilentThinker({ ...timeouts, requestTimeoutMs: 200 }).requestTimeoutMs).toBe(200)
})

const ping = 'event: ping\ndata: {"type": "ping"}\n\n'
const isAnthropic = (dialect: Dialect) => dialect.begin().startsWith('event:')
const sign = (dialect: Dialect) => (isAnthropic(dialect) ? ping : ': still here\n\n')

const stalls: [string, (dialect: Dialect) => Reply, Partial<ProviderOptions>][] = [
  ['no head', () => ({ silent: true, noHead: true }), { requestTimeoutMs: 20 }],
  ['no first token', () => ({ silent: true }), { requestTimeoutMs: 20 }],
  ['a beginning and no first token', (dialect) => ({ raw: [dialect.begin()], open: true }), { requestTimeoutMs: 20 }],
  [
    'signs of life and no first token',
    (dialect) => ({ raw: [dialect.begin(), sign(dialect)], open: true }),
    { requestTimeoutMs: 20 },
  ],
  [
    'no next token',
    (dialect) => ({ raw: [dialect.begin(), dialect.piece({ text: 'ab' })], open: true }),
    { streamTimeoutMs: 20 },
  ],
  ['tokens without end', () => ({ text: 'x'.repeat(100_000), chunk: 1, delayMs: 1 }), { totalTimeoutMs: 200 }],
]

describe.each(dialects)('F36 $name', ({ start, dialect }) => {
  test.each(stalls)('a model that stalls: %s', async (_, reply, options) => {
    const { llm, provider } = await start(options)
    llm.script([reply(dialect('scripted-small'))])
    const { error } = await failing(provider)
    expect(error).toMatchObject({ kind: 'timeout', status: 504, errorType: 'llm_timeout', stopReason: 'llm_api_error' })
    // On a busy machine the time may be over before the request has come.
    expect(llm.requests.length).toBeLessThan(2)
    await llm.requests[0]?.closed
  })

  test('an answer that is whole ends, though the connection stays open', async () => {
    const { llm, provider } = await start({ streamTimeoutMs: 20 })
    const written = dialect('scripted-small')
    // The event that says why it ended; OpenAI's usage and [DONE] never come.
    const end = written.end('stop')
    const finish = isAnthropic(written) ? end : end.slice(0, end.indexOf('\n\n') + 2)
    llm.script([{ raw: [written.begin(), written.piece({ text: 'x' }), finish], open: true }])
    const deltas = await collect(provider)
    expect(textOf(deltas)).toBe('x')
    expect(deltas.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' })
  })
})
