import Database from 'better-sqlite3'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Api } from '../support/api.ts'
import { buildServer, launch, type LaunchOptions, startProcess } from '../support/process.ts'
import { tempFolder } from '../support/server.ts'

test('a port that is in use is one line', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const port = String((other.address() as AddressInfo).port)
  await expectRefused({ ...emptyDatabase(), PORT: port }, `127.0.0.1:${port}`)
})

test('a folder as a database is one line that names it', async () => {
  const folder = join(tempFolder(), 'data')
  mkdirSync(folder)
  await expectRefused({ DATABASE_URL: `file:${folder}` }, folder)
})

test('a file that is no database is one line that names it, and is left alone', async () => {
  const file = join(tempFolder(), 'letter.txt')
  const text = 'Dear database, '.repeat(1000)
  writeFileSync(file, text)
  await expectRefused({ DATABASE_URL: `file:${file}` }, file)
  expect(readFileSync(file, 'utf8')).toBe(text)
})

test('a second server on the same file is one line, and the first goes on', async () => {
  const settings = emptyDatabase()
  const first = await startProcess(settings)
  await expectRefused(settings, 'in use by another Roundtable')
  await first.api.group(['ana', 'ben'])
  expect(await first.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('a database of a newer version is one line that names it', async () => {
  const settings = emptyDatabase()
  await (await startProcess(settings)).kill('SIGTERM')
  const file = settings.DATABASE_URL.slice('file:'.length)
  inFile(file, (db) => db.prepare(`INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9e12)`).run())
  await expectRefused(settings, `${file} was written by a newer Roundtable`)
})

test.each([
  [{ PORT: 'eighty' }, 'PORT'],
  [{ DATABASE_URL: 'postgres://127.0.0.1:1/roundtable' }, 'DATABASE_URL'],
  [{ ROUNDTABLE_DEFAULT_MODEL: 'gpt' }, 'ROUNDTABLE_DEFAULT_MODEL'],
  [{ OPENAI_BASE_URL: 'localhost:1' }, 'OPENAI_BASE_URL'],
])('the settings %o are refused with the name of what is wrong', async (settings, name) => {
  const refused = launch({ ...emptyDatabase(), ...settings })
  const { code, stdout, stderr } = await refused.exited
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^Bad settings:\n/)
  expect(stderr).toContain(name)
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m)
})

test.each([
  [{ HOST: '0.0.0.0' }, 'HOST=0.0.0.0 is open to others'],
  [{ HOST: '::', LETTA_SERVER_PASSWORD: 'not switched on' }, 'HOST=:: is open to others'],
  [{ LETTA_SERVER_SECURE: 'true' }, 'LETTA_SERVER_SECURE=true lets nobody in'],
])('F88 %o without a key or a password is one line', async (settings, says) => {
  await expectRefused({ ...emptyDatabase(), ...settings }, says)
})

test('an older Node is told which one is needed', async ({ skip }) => {
  const node = olderNode()
  if (!node) return skip('there is no Node before 22 on the PATH')
  await expectRefused(emptyDatabase(), 'needs Node 22.19 or newer', { node })
})

test('an update copies the database first, and keeps what is in it; a downgrade is refused', async () => {
  const { entry, migrations } = await buildServer()
  const { DATABASE_URL } = emptyDatabase()
  const file = DATABASE_URL.slice('file:'.length)
  const before = await startProcess({ DATABASE_URL }, { entry })
  const group = await before.api.group(['ana', 'ben'])
  await before.api.post(`/v1/groups/${group.id}/messages`, { input: 'Hello' })
  const data = await everything(before.api, group.id)
  await before.kill('SIGTERM')

  const undo = addMigration(migrations, `ALTER TABLE groups ADD mood text DEFAULT 'calm';`)
  const after = await startProcess({ DATABASE_URL }, { entry })
  expect(await everything(after.api, group.id)).toEqual(data)
  expect(await after.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  expect(inFile(file, moods)).toEqual(['calm'])
  const [backup, ...others] = backupsOf(file)
  expect(others).toEqual([])
  expect(inFile(backup!, (db) => db.pragma('integrity_check', { simple: true }))).toBe('ok')
  expect(() => inFile(backup!, moods)).toThrow('no such column')

  undo()
  await expectRefused({ DATABASE_URL }, 'newer Roundtable', { entry })
  // The way back: the copy, in the place of the file.
  const old = await startProcess({ DATABASE_URL: `file:${backup}` }, { entry })
  expect(await everything(old.api, group.id)).toEqual(data)
})

test('an update that fails changes nothing', async () => {
  const { entry, migrations } = await buildServer()
  const { DATABASE_URL } = emptyDatabase()
  const before = await startProcess({ DATABASE_URL }, { entry })
  const group = await before.api.group(['ana', 'ben'])
  const data = await everything(before.api, group.id)
  await before.kill('SIGTERM')

  const undo = addMigration(
    migrations,
    'ALTER TABLE groups ADD mood text;--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);',
  )
  const { code, stdout } = await launch({ DATABASE_URL }, { entry }).exited
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(() => inFile(DATABASE_URL.slice('file:'.length), moods)).toThrow('no such column')

  undo()
  const after = await startProcess({ DATABASE_URL }, { entry })
  expect(await everything(after.api, group.id)).toEqual(data)
})

test('an update that was killed while it copied the database copies it again', async () => {
  const { entry, migrations } = await buildServer()
  const { DATABASE_URL } = emptyDatabase()
  const file = DATABASE_URL.slice('file:'.length)
  await (await startProcess({ DATABASE_URL }, { entry })).kill('SIGTERM')
  inFile(file, (db) => db.exec('CREATE TABLE ballast (data BLOB); INSERT INTO ballast VALUES (zeroblob(200000000))'))

  addMigration(migrations, 'ALTER TABLE groups ADD mood text;')
  const killed = launch({ DATABASE_URL }, { entry })
  const watcher = watch(join(file, '..'), (_, name) => void (name?.includes('backup') && killed.kill('SIGKILL')))
  expect(await killed.exited).toMatchObject({ signal: 'SIGKILL' })
  watcher.close()
  expect(() => inFile(file, moods)).toThrow('no such column')

  await (await startProcess({ DATABASE_URL }, { entry })).kill('SIGTERM')
  expect(inFile(file, moods)).toEqual([])
  for (const backup of backupsOf(file)) {
    expect(inFile(backup, (db) => db.prepare('SELECT length(data) FROM ballast').pluck().all())).toEqual([200_000_000])
  }
})

/** One line on stderr that has `text` in it, nothing else, and exit code 1. */
async function expectRefused(settings: Record<string, string>, text: string, options?: LaunchOptions) {
  const launched = launch(settings, options)
  const listened = launched.listening.then(() => launched.kill('SIGKILL'))
  const { code, stdout, stderr } = await Promise.race([launched.exited, listened.catch(() => launched.exited)])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^.+\n$/)
  expect(stderr).toContain(text)
}

const emptyDatabase = () => ({ DATABASE_URL: `file:${join(tempFolder(), 'test.db')}` })

function inFile<T>(file: string, work: (db: Database.Database) => T): T {
  const db = new Database(file, { fileMustExist: true })
  try {
    return work(db)
  } finally {
    db.close()
  }
}

const moods = (db: Database.Database) => db.prepare('SELECT mood FROM groups').pluck().all()

const backupsOf = (file: string) =>
  readdirSync(join(file, '..'))
    .filter((name) => name.endsWith('.backup'))
    .map((name) => join(file, '..', name))

/** What a client can list. */
const everything = async (api: Api, groupId: string) => ({
  agents: await api.get('/v1/agents/'),
  groups: await api.get('/v1/groups/'),
  runs: await api.get('/v1/runs/'),
  messages: await api.get(`/v1/groups/${groupId}/messages?limit=1000`),
})

/** Makes the server one version newer. @returns a way back */
function addMigration(migrations: string, sql: string): () => void {
  const path = join(migrations, 'meta/_journal.json')
  const text = readFileSync(path, 'utf8')
  const journal = JSON.parse(text)
  const last = journal.entries.at(-1)
  const next = { ...last, idx: last.idx + 1, when: last.when + 1, tag: 'next' }
  writeFileSync(join(migrations, 'next.sql'), sql)
  writeFileSync(path, JSON.stringify({ ...journal, entries: [...journal.entries, next] }))
  return () => writeFileSync(path, text)
}

/** A Node before 22 that this machine has beside the one of the project. */
function olderNode(): string | undefined {
  const found = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node'))
  return found.find((node) => {
    if (!existsSync(node)) return false
    const major = /^v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout)?.[1]
    return major !== undefined && Number(major) < 22
  })
}
