import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cpuUsage } from 'node:process'
import { createContext, Script } from 'node:vm'
import { parseAst } from 'rolldown/parseAst'
import { expect, test } from 'vitest'

interface Found {
  where: string
  source: string
  flags: string
}

const root = new URL('../src/', import.meta.url).pathname

/** Every regular expression that is written out in our source. */
function literals(): Found[] {
  const found: Found[] = []
  for (const file of globSync('**/*.{ts,tsx,js}', { cwd: root }).toSorted()) {
    const text = readFileSync(join(root, file), 'utf8')
    const visit = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      const { regex, start } = node as { regex?: { pattern: string; flags: string }; start?: number }
      if (regex)
        found.push({ where: `${file}:${text.slice(0, start).split('\n').length}`, source: regex.pattern, flags: regex.flags })
      for (const inner of Object.values(node)) visit(inner)
    }
    visit(parseAst(text, { lang: file.endsWith('x') ? 'tsx' : file.endsWith('.ts') ? 'ts' : 'js' }))
  }
  return found
}

const LENGTH = 30_000

/** Texts that a pattern would go through again and again if it could: what it may repeat, very often, and then what it cannot match. */
function attacks(source: string): string[] {
  const own = [...new Set(source.replaceAll(/\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\./gi, '').match(/[^()[\]{}?*+|^$\\]/g) ?? [])]
  const pumps = new Set([...own, ...'a0A_-. \t\n"\\/{[:,='.split(''), '\\"', '""', 'a ', 'a.', ' \n', '0.', '\\u'])
  // What comes before that may have to be there for anything to begin.
  const lead = (/^\^?((?:[\w"{: ,.\-/]|\\[^\w])+)/.exec(source)?.[1] ?? '').replaceAll('\\', '')
  return [...pumps].flatMap((pump) => {
    const body = pump.repeat(LENGTH / pump.length)
    return [`${body}\u0000`, `${lead}${body}\u0000`, `${lead}${body}`]
  })
}

/** What is linear takes well under this for each attack; what is quadratic several times as much, what is worse does not end. */
const BOUND_MS = 150

/** The first attack that is too slow, or the slowest, in ms of CPU: the machine may have other things to do. */
function slowest({ source, flags }: Found): { ms: number; text: string } {
  const script = new Script('pattern.lastIndex = 0; pattern.test(text)')
  let worst = { ms: 0, text: '' }
  for (const text of attacks(source)) {
    const context = createContext({ pattern: new RegExp(source, flags), text })
    const before = cpuUsage()
    try {
      script.runInContext(context, { timeout: 3000 })
    } catch {
      return { ms: 3000, text }
    }
    const { user } = cpuUsage(before)
    if (user / 1000 > worst.ms) worst = { ms: user / 1000, text }
    if (worst.ms > BOUND_MS) break
  }
  return worst
}

test('F78 no pattern in our source takes more than a moment for any 30 KB', { timeout: 300_000 }, () => {
  const found = literals()
  expect(found.length).toBeGreaterThan(80)
  const slow = found.flatMap((one) => {
    const { ms, text } = slowest(one)
    return ms <= BOUND_MS ? [] : [`${one.where} /${one.source}/ ${Math.round(ms)} ms for ${JSON.stringify(text.slice(0, 20))}`]
  })
  expect(slow).toEqual([])
})

test('F78 the search finds what it is for', () => {
  const bad = ['(a+)+$', '\\s+$', '^(\\w+\\s?)*$', '(.*)(.*)=(.*)$', '"(\\\\.|[^"])*"x']
  for (const source of bad) expect(slowest({ where: '', source, flags: '' }).ms, source).toBeGreaterThan(BOUND_MS)
  expect(slowest({ where: '', source: '^[a-z0-9-]+$', flags: '' }).ms).toBeLessThan(BOUND_MS)
})
