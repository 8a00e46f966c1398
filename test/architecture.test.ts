import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/*
 * Who may import whom (design.md §4), held by reading the import statements; `import type` counts.
 */

/** What a folder of src may import beside itself: folders, or one file. `config:type` is its types only. */
const allowed: Record<string, string[]> = {
  wire: [],
  db: ['wire', 'errors', 'logger'],
  net: [],
  llm: ['wire', 'errors', 'logger', 'config:type'],
  tools: ['db', 'wire', 'errors', 'logger', 'config:type'],
  stream: ['db', 'wire', 'errors', 'logger'],
  loop: ['stream', 'llm', 'net', 'tools', 'db', 'wire', 'errors', 'logger'],
  routes: ['services', 'auth', 'loop', 'stream', 'tools', 'llm', 'db', 'wire', 'errors'],
  services: ['config:type', 'auth', 'loop', 'stream', 'tools', 'llm', 'db', 'observe'],
  errors: ['wire'],
  logger: [],
  collector: ['logger'],
  observe: ['logger', 'loop', 'tools', 'stream', 'db', 'wire'],
  config: [],
  web: ['wire:type', 'stream/fold.ts'],
  auth: ['services', 'db', 'wire', 'errors', 'logger', 'config:type'],
}

/** Who puts the parts together, and may know them all. */
const composers = new Set(['app', 'cli', 'demo', 'server', 'main', 'stdout'])

/** Packages that only these folders, or files, may know. */
const confined: [packages: RegExp, ...owners: string[]][] = [
  [/^(drizzle-orm|better-sqlite3)(\/|$)/, 'db'],
  [/^@ai-sdk\/(?!mcp)/, 'llm'],
  [/^undici$/, 'llm', 'net'],
  [/^@opentelemetry\//, 'observe'],
  [/^(@ai-sdk\/mcp|quickjs-emscripten-core|@jitl\/)/, 'tools'],
  [/^(preact|@preact\/|marked$|dompurify$)/, 'web'],
]

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

const root = new URL('../src/', import.meta.url).pathname
const files = globSync('**/*.{ts,tsx}', { cwd: root, exclude: ['**/*.d.ts'] }).toSorted()
const imports = files.flatMap(importsOf)
const inside = imports.filter(({ to }) => /\.tsx?$/.test(to))

test('the imports are found', () => {
  expect(inside).toContainEqual({ from: 'cli/serve.ts', to: 'server.ts', typeOnly: false })
  expect(inside).toContainEqual({ from: 'stream/log.ts', to: 'db/store.ts', typeOnly: true })
  expect(imports).toContainEqual({ from: 'db/sqlite.ts', to: 'better-sqlite3', typeOnly: false })
})

describe('what is imported is what the design allows', () => {
  test.each(Object.keys(allowed))('by %s', (part) => {
    const wrong = inside.filter((one) => partOf(one.from) === part && !mayImport(one))
    expect(wrong.map(shown)).toEqual([])
  })
})

test('every part has a rule', () => {
  const parts = new Set(files.map(partOf))
  expect([...parts].filter((part) => !(part in allowed) && !composers.has(part))).toEqual([])
})

test('nothing imports the routes or the app but who puts them together', () => {
  const wrong = inside.filter(({ from, to }) => {
    const [importer, imported] = [partOf(from), partOf(to)]
    return importer !== imported && (imported === 'routes' || composers.has(imported)) && !composers.has(importer)
  })
  expect(wrong.map(shown)).toEqual([])
})

test('a package of one part is imported there only', () => {
  const wrong = imports.filter(({ from, to }) =>
    confined.some(([packages, ...owners]) => packages.test(to) && !owners.includes(partOf(from))),
  )
  expect(wrong.map(shown)).toEqual([])
})

test('only the settings are read from the environment', () => {
  const readers = files.filter((file) => /\bprocess\s*(\.\s*env\b|\[)|\bimport\.meta\.env\b/.test(textOf(file)))
  expect(readers).toEqual(['config.ts'])
})

test('there are no cycles', () => {
  expect(cycles(inside)).toEqual([])
})

function importsOf(from: string): Import[] {
  const statements = /^(?:import|export)\s(type\s)?(?:[^'"()]*?\bfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm
  return Array.from(textOf(from).matchAll(statements), ([, type, fixed, dynamic]) => {
    const to = (fixed ?? dynamic)!
    return { from, to: to.startsWith('.') ? normalize(join(dirname(from), to)) : to, typeOnly: type !== undefined }
  })
}

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The folder, or the name of a file that is in none. */
function partOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '')
}

function mayImport({ from, to, typeOnly }: Import): boolean {
  const [importer, imported] = [partOf(from), partOf(to)]
  return (
    importer === imported ||
    allowed[importer]!.includes(imported) ||
    allowed[importer]!.includes(to) ||
    (typeOnly && allowed[importer]!.includes(`${imported}:type`))
  )
}

function shown({ from, to, typeOnly }: Import): string {
  return `${from} imports ${typeOnly ? 'types of ' : ''}${to}`
}

/** The ways from a file back to itself, the shortest of each file; those of types too. */
function cycles(edges: Import[]): string[] {
  const next = Map.groupBy(edges, ({ from }) => from)
  const found = files.flatMap((start) => {
    const queue = [[start]]
    const known = new Set<string>()
    for (const path of queue) {
      for (const { to } of next.get(path.at(-1)!) ?? []) {
        if (to === start) return [path]
        if (!known.has(to)) queue.push([...path, to])
        known.add(to)
      }
    }
    return []
  })
  return [...new Set(found.map((path) => path.toSorted().join(' ⇄ ')))]
}
