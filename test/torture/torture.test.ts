import { expect, test } from 'vitest'
import { publishedEntry } from '../support/process.ts'
import { torture } from './torture.ts'

test('F7 what clients see of a server that is killed at random moments is one history', { timeout: 240_000 }, async () => {
  const seed = Number(process.env['TORTURE_SEED'] ?? Date.now() % 1_000_000)
  const { counts, violations } = await torture({ entry: publishedEntry, kills: 12, clients: 8, seed })
  expect(violations, `TORTURE_SEED=${seed}`).toEqual([])
  expect(counts['runs']).toBeGreaterThan(10)
  console.info(`Seed ${seed}: ${JSON.stringify(counts)}`)
})
