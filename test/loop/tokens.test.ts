import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { contextTokens, estimateTokens, needsCompaction } from '../../src/loop/tokens.ts'
import { call, row, text } from '../support/history.ts'

const prose = 'The lighthouse keeper counted the ships, and then she counted them again. '

test('prose has about four bytes in a token, JSON about two, wherever it stands', () => {
  const json = JSON.stringify(Array.from({ length: 50 }, () => ({ id: randomUUID(), date: '2026-11-23T05:13:04.000Z' })))
  expect(estimateTokens(prose.repeat(100))).toBe(Math.ceil((prose.length * 100) / 4))
  expect(estimateTokens(json)).toBe(Math.ceil(json.length / 2.2))
  expect(estimateTokens([row('tool', [text(json)])])).toBeGreaterThan(json.length / 2.2)
  expect(estimateTokens('')).toBe(0)
  expect(estimateTokens('汉字'.repeat(100))).toBe(150)
})

test('an image counts as an image, not as its bytes', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) } } as const
  expect(estimateTokens([row('user', [image])])).toBeLessThan(3000)
})

test('what the provider counted is taken as it is; only what came after is estimated', () => {
  const lastUsage = {
    promptTokens: 4000,
    completionTokens: 96,
    totalTokens: 4096,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
  }
  const addedSince = [row('assistant', [call('1')]), row('user', [text(prose)])]
  expect(contextTokens({ lastUsage, addedSince: [] })).toBe(4096)
  expect(contextTokens({ lastUsage, addedSince })).toBe(4096 + estimateTokens(addedSince))
})

test('a context is too full above nine tenths of its window', () => {
  expect([900, 901].map((tokens) => needsCompaction(tokens, 1000))).toEqual([false, true])
  expect([7, 8].map((tokens) => needsCompaction(tokens, 8))).toEqual([false, true])
})
