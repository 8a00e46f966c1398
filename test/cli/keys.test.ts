import { join } from 'node:path'
import { expect, test } from 'vitest'
import { typed } from '../support/cli.ts'
import { startServer, tempFolder } from '../support/server.ts'

test('the first key locks the server, opens it to whoever has it, and is revoked by its id', async () => {
  const { url } = await startServer()
  const env = { ROUNDTABLE_URL: url }
  const first = await typed(['keys', 'create', 'The', 'boss', '--scope', 'admin'], env)
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^rt-[\w-]{43}\n$/) })
  const boss = { ...env, ROUNDTABLE_API_KEY: first.stdout.trim() }
  expect(await typed(['keys'], env)).toMatchObject({ code: 1, stderr: expect.stringContaining('401') })

  const bot = (
    await typed(['keys', 'create', 'bot', '--scope', 'read', '--expires', '2999-01-01T00:00:00Z'], boss)
  ).stdout.trim()
  const reader = { ...env, ROUNDTABLE_API_KEY: bot }
  expect(await typed(['groups'], reader)).toMatchObject({ code: 0 })
  expect(await typed(['keys', 'create', 'more'], reader)).toMatchObject({ code: 1, stderr: expect.stringContaining('403') })

  const { stdout: list } = await typed(['keys', 'list'], boss)
  expect(list).toMatch(/^key-\S+ {2}admin {2}The boss {2}used \S+\nkey-\S+ {2}read {2}bot {2}used \S+, until 2999-\S+\n$/)
  expect(list).not.toContain(bot)
  const [, id] = list.match(/^key-\S+/gm)!
  expect(await typed(['keys', 'revoke', id!], boss)).toMatchObject({ code: 0, stdout: `${id} (bot) opens nothing any more.\n` })
  expect(await typed(['groups'], reader)).toMatchObject({ code: 1, stderr: expect.stringContaining('401') })
  expect((await typed(['keys'], boss)).stdout).toMatch(/bot .*, revoked \S+\n$/)
})

test('who is locked out gets in by the file of a server that is stopped', async () => {
  const file = join(tempFolder(), 'test.db')
  const env = { DATABASE_URL: `file:${file}` }
  const server = await startServer(env)
  const busy = await typed(['keys', 'create', 'me', '--scope', 'admin', '--offline'], env)
  expect(busy).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('in use') })
  await server.close()
  const key = (await typed(['keys', 'create', 'me', '--scope', 'admin', '--offline'], env)).stdout.trim()
  const again = await startServer(env)
  expect(await typed(['groups'], { ROUNDTABLE_URL: again.url })).toMatchObject({ code: 1 })
  expect(await typed(['groups'], { ROUNDTABLE_URL: again.url, ROUNDTABLE_API_KEY: key })).toMatchObject({ code: 0 })
})

test('a tenant of its own sees nothing of the others', async () => {
  const env = { DATABASE_URL: `file:${join(tempFolder(), 'test.db')}` }
  await typed(['keys', 'create', 'me', '--scope', 'admin', '--offline'], env)
  const other = await typed(['keys', 'create', 'them', '--scope', 'admin', '--offline', '--tenant', 'new'], env)
  const [, tenant] = /^The new tenant is (org-\S+)\n/.exec(other.stderr)!
  const listed = await typed(['keys', '--offline', '--tenant', tenant!], env)
  expect(listed.stdout).toMatch(/^key-\S+ {2}admin {2}them {2}never used\n$/)
  expect(await typed(['keys', '--offline', '--tenant', 'org-x'], env)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^There is no tenant org-x: .*\n$/),
  })
  const { url } = await startServer(env)
  const { stdout } = await typed(['keys'], { ROUNDTABLE_URL: url, ROUNDTABLE_API_KEY: other.stdout.trim() })
  expect(stdout).toContain('them')
  expect(stdout).not.toContain('me  ')
})

test.each([
  [['fly'], 'keys cannot fly'],
  [['create'], 'It needs a name'],
  [['create', 'x', '--scope', 'all'], 'scope: '],
  [['revoke'], 'It needs the id of one key'],
])('%j is refused in one line', async (args, text) => {
  expect(await typed(['keys', ...args])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(new RegExp(`^${text}.*\n$`)),
  })
})
