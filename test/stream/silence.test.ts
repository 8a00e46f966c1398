import { expect, onTestFinished, test, vi } from 'vitest'
import { Silence } from '../../src/stream/silence.ts'

/** A clock that stands still, and when it was told of silence. */
function clock(ms: number) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const begin = performance.now()
  const told: number[] = []
  return {
    told,
    silence: new Silence(ms, () => told.push(performance.now() - begin)),
    pass: (by: number) => vi.advanceTimersByTime(by),
  }
}

test('silence is told of when it has lasted so long, and again each time', () => {
  const { told, pass } = clock(100)
  pass(99)
  expect(told).toEqual([])
  pass(1)
  expect(told).toEqual([100])
  pass(1000)
  expect(told).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100])
})

test('while something is heard in time there is none, and it is counted from what was heard last', () => {
  const { told, silence, pass } = clock(100)
  for (let n = 0; n < 50; n++) {
    pass(99)
    silence.heard()
  }
  expect(told).toEqual([])
  pass(99)
  expect(told).toEqual([])
  pass(1)
  expect(told).toEqual([50 * 99 + 100])
  pass(40)
  silence.heard()
  pass(99)
  expect(told).toHaveLength(1)
  pass(1)
  expect(told).toHaveLength(2)
})

test('what is heard makes no timer, and moves none', () => {
  const { silence } = clock(100)
  const made = vi.spyOn(globalThis, 'setTimeout')
  const cleared = vi.spyOn(globalThis, 'clearTimeout')
  for (let token = 0; token < 1000; token++) silence.heard()
  expect(made).not.toHaveBeenCalled()
  expect(cleared).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(1)
})

test('nothing is told after it was stopped, also by what it tells', () => {
  const { told, silence, pass } = clock(100)
  pass(150)
  silence.stop()
  silence.heard()
  pass(1e6)
  expect(told).toEqual([100])
  expect(vi.getTimerCount()).toBe(0)

  let calls = 0
  const once: Silence = new Silence(100, () => {
    calls++
    once.stop()
  })
  pass(1e6)
  expect(calls).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})
