import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import pkg from '../../package.json' with { type: 'json' }
import { startProcess } from '../support/process.ts'
import { tempFolder } from '../support/server.ts'

const root = new URL('../../', import.meta.url).pathname

test('what is packed is installed with its one native dependency, and npx runs it: server, page and demo', async () => {
  const table = packed(clone())
  const files = execFileSync('tar', ['tzf', table], { encoding: 'utf8' }).split('\n')
  expect(files).toEqual(
    expect.arrayContaining(['package/dist/roundtable.js', 'package/dist/sandbox-child.js', 'package/dist/web/index.html']),
  )
  expect(files.filter((file) => /^package\/(src|test|bench|node_modules)\//.test(file))).toEqual([])

  // No registry is asked: its dependency comes from here.
  const home = join(tempFolder(), 'home')
  mkdirSync(home)
  const native = ['better-sqlite3', 'node-addon-api'].map((name) =>
    packed(join(root, 'node_modules', name), '--ignore-scripts'),
  )
  npm(home, 'init', '--yes')
  npm(home, 'install', '--offline', '--ignore-scripts', table, ...native)
  expect(
    readdirSync(join(home, 'node_modules'))
      .filter((name) => !name.startsWith('.'))
      .toSorted(),
  ).toEqual(['better-sqlite3', 'node-addon-api', 'roundtable'])

  expect(run(home, 'npx', '--offline', 'roundtable', '--version')).toBe(`${pkg.version}\n`)
  expect(run(home, 'npx', '--offline', 'roundtable', 'demo', 'Hello')).toMatch(/^cleo: \S/m)
  const { url, kill } = await startProcess({}, { entry: join(home, 'node_modules/.bin/roundtable') })
  expect(await (await fetch(url)).text()).toMatch(/^<!doctype html>/i)
  expect(await kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

/** The house as it is in a clone, to be built in. */
function clone(): string {
  const folder = join(tempFolder(), 'clone')
  const parts = [
    'package.json',
    '.npmrc',
    'README.md',
    'tsconfig.json',
    'src',
    'migrations',
    ...globSync('*.config.ts', { cwd: root }),
  ]
  for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** @returns the tarball of the package in `folder` */
function packed(folder: string, ...options: string[]): string {
  const target = tempFolder()
  npm(folder, 'pack', '--pack-destination', target, ...options)
  return join(target, readdirSync(target)[0]!)
}

const npm = (cwd: string, ...args: string[]) => run(cwd, 'npm', ...args)

/** With this Node before all others, and no other settings of ours. */
function run(cwd: string, command: string, ...args: string[]): string {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH: dirname(process.execPath) + delimiter + PATH, HOME, ROUNDTABLE_DEMO_TOKEN_MS: '0' }
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
