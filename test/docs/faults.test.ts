import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url).pathname

/** Fault → the files with a test that begins with its number. */
function tested(): Map<string, string[]> {
  const found = new Map<string, Set<string>>()
  for (const file of globSync('test/**/*.test.ts', { cwd: root }).toSorted()) {
    for (const [, faults] of readFileSync(join(root, file), 'utf8').matchAll(/['"`]((?:F\d+(?:, | and | ))+)/g)) {
      for (const fault of faults!.match(/F\d+/g)!) found.set(fault, (found.get(fault) ?? new Set()).add(file))
    }
  }
  return new Map([...found].map(([fault, files]) => [fault, [...files]]))
}

interface Row {
  fault: string
  priority: string
  tests: string[]
  result: string
}

/** The table in docs/faults.md. */
const rows: Row[] = readFileSync(join(root, 'docs/faults.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, fault, priority, , , tests, result] = line.split('|').map((cell) => cell.trim())
    if (!/^F\d+$/.test(fault ?? '')) return []
    const links = [...tests!.matchAll(/\]\(\.\.\/(.+?)\)/g)].map(([, file]) => file!)
    return [{ fault: fault!, priority: priority!, tests: links, result: result! }]
  })

test('every fault is in the table, with just the tests that are named after it', () => {
  expect(rows.map(({ fault }) => fault)).toEqual(Array.from({ length: 104 }, (_, index) => `F${index + 1}`))
  const found = tested()
  for (const { fault, tests } of rows) expect({ fault, tests }).toEqual({ fault, tests: found.get(fault) ?? [] })
})

test('a fault that must be survived has a test; what has none says why', () => {
  for (const { fault, priority, tests, result } of rows) {
    if (priority === 'A') expect({ fault, tests }).not.toEqual({ fault, tests: [] })
    if (tests.length === 0) expect({ fault, result }).not.toEqual({ fault, result: 'holds' })
  }
})
