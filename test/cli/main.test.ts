import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import pkg from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/index.ts'
import { typed } from '../support/cli.ts'

test('help names every command, and each says what it takes', async () => {
  const { code, stdout } = await typed(['--help'])
  expect(code).toBe(0)
  for (const name of Object.keys(commands)) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  for (const name of Object.keys(commands)) expect(readme, name).toMatch(new RegExp(`^\\|.*\`${name}[\` ]`, 'm'))
  expect((await typed(['backup', '-h'])).stdout).toMatch(/^roundtable backup <file>\n/)
  expect((await typed(['--version'])).stdout).toBe(`${pkg.version}\n`)
})

test.each([
  [['fly'], 'There is no command fly'],
  [['serve', '--prot', '1'], "Unknown option '--prot'"],
  [['backup'], 'It needs the file to write'],
  [['backup', 'a', 'b'], 'It takes one word'],
])('%j is refused in one line, with exit code 2', async (args, text) => {
  const { code, stdout, stderr } = await typed(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/^.+\n$/)
  expect(stderr).toContain(text)
})
