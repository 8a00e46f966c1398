import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { flagsOf } from '../../bench/flags.ts'
import { sourceEntry } from '../support/process.ts'
import { root } from '../support/rolldown.ts'

/** Where somebody, or something, starts the server. */
const places = ['package.json', 'Dockerfile', 'docs/deployment.md']

test.each(places)('whoever starts the server as %s says gives Node the flags that it asks for', (place) => {
  const text = readFileSync(join(root, place), 'utf8').replaceAll('", "', ' ')
  // Whoever works on it has it watched, and needs none.
  const starts = [...text.matchAll(/node ((?:--(?!watch)\S+ )*)\S*roundtable\.js/g)].map(([, flags]) => flags!.trim())
  expect(starts.length).toBeGreaterThan(0)
  expect(new Set(starts)).toEqual(new Set([flagsOf(sourceEntry).join(' ')]))
})
