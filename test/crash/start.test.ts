import Database from 'better-sqlite3'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { getPriority } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Api } from '../support/api.ts'
import { smallDisk } from '../support/disk.ts'
import { copyOfServer, launch, type LaunchOptions, sourceEntry, startProcess } from '../support/process.ts'
import { tempFolder } from '../support/server.ts'

test('the source of a clone starts as what is published does', async () => {
  const { api, kill } = await startProcess(emptyDatabase(), { entry: sourceEntry })
  expect(await api.get('/v1/health')).toMatchObject({ status: 'ok' })
  expect(await kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test("V8's own threads give way to the event loop", async ({ skip }) => {
  if (process.platform !== 'linux') return skip('only Linux shows the threads of a process')
  const { child } = await startProcess(emptyDatabase())
  const threads = readdirSync(`/proc/${child.pid}/task`).map((id) => {
    const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${child.pid}/task/${id}/stat`, 'utf8'))!
    return { name, nice: Number(rest!.split(' ')[16]) }
  })
  const own = getPriority()
  const workers = threads.filter(({ name }) => name === 'V8Worker')
  expect(workers.length).toBeGreaterThan(0)
  expect(threads.filter(({ nice }) => nice === Math.min(own + 5, 19))).toEqual(workers)
})

test('a port that is in use is one line', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const port = String((other.address() as AddressInfo).port)
  await expectRefused({ ...emptyDatabase(), PORT: port }, `127.0.0.1:${port}`)
})

test('F22 a folder as a database is one line that names it', async () => {
  const folder = join(tempFolder(), 'data')
  mkdirSync(folder)
  await expectRefused({ DATABASE_URL: `file:${folder}` }, folder)
})

test('F31 a file that is no database is one line that names it, and is left alone', async () => {
  const file = join(tempFolder(), 'letter.txt')
  const text = 'Dear database, '.repeat(1000)
  writeFileSync(file, text)
  await expectRefused({ DATABASE_URL: `file:${file}` }, file)
  expect(readFileSync(file, 'utf8')).toBe(text)
})

test.each([
  ['below a file', (folder: string) => join(writeIn(folder, 'letter.txt'), 'test.db')],
  ['a link that leads nowhere', (folder: string) => linkIn(folder, join(folder, 'nowhere', 'test.db'))],
])('F22 a database %s is one line that names it', async (_, make) => {
  const file = make(tempFolder())
  await expectRefused({ DATABASE_URL: `file:${file}` }, file)
})

test('F22 a folder without permission is one line that names the file', async ({ skip }) => {
  // Whom nothing is forbidden starts the server as somebody else, who must be able to read the clone: its dependencies are there.
  const under = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
  const command = [...under, process.execPath, '--check', sourceEntry]
  if (spawnSync(command[0]!, command.slice(1)).status !== 0) return skip('nobody else may run the server here')
  const folder = tempFolder()
  chmodSync(folder, 0o500)
  const file = join(folder, 'test.db')
  await expectRefused({ DATABASE_URL: `file:${file}` }, file, { under })
})

test('F20 a read-only disk is one line that names the file', async ({ skip }) => {
  const disk = smallDisk(8)
  if (!disk) return skip('this machine lets nobody mount a disk')
  const file = join(disk.folder, 'test.db')
  await (await startProcess({ DATABASE_URL: `file:${file}` })).kill('SIGTERM')
  disk.remount('ro')
  await expectRefused({ DATABASE_URL: `file:${file}` }, file)
})

test('F17 a start on a full disk is one line that names the file', async ({ skip }) => {
  const disk = smallDisk(8)
  if (!disk) return skip('this machine lets nobody mount a disk')
  const file = join(disk.folder, 'test.db')
  await (await startProcess({ DATABASE_URL: `file:${file}` })).kill('SIGTERM')
  disk.fill()
  await expectRefused({ DATABASE_URL: `file:${file}` }, file)
})

test('F31 a file that was damaged in a crash is one line that names the newest backup', async () => {
  const { file, settings } = await crashed()
  const backup = `${file}.before-1.backup`
  writeFileSync(backup, '')
  damage(file, 'passages')
  await expectRefused(settings, `${file} is damaged`)
  await expectRefused(settings, `the newest backup beside it is ${backup}`)
})

test('F31 a file that was cut short is one line that says so', async () => {
  const settings = emptyDatabase()
  expect(await (await startProcess(settings)).kill('SIGTERM')).toMatchObject({ code: 0 })
  const file = settings.DATABASE_URL.slice('file:'.length)
  truncateSync(file, statSync(file).size - 3 * 4096)
  await expectRefused(settings, `${file} is damaged (database disk image is malformed): restore it from a backup`)
})

test('F32 a log of another database is never played, and both files are left alone', async () => {
  const [one, other] = [await crashed(), await crashed()]
  copyFileSync(`${other.file}-wal`, `${one.file}-wal`)
  const before = [readFileSync(one.file), readFileSync(`${one.file}-wal`)]
  await expectRefused(one.settings, `${one.file}-wal belongs to another database`)
  expect([readFileSync(one.file), readFileSync(`${one.file}-wal`)]).toEqual(before)
  // Its own log is at home with it.
  const { api } = await startProcess(other.settings)
  expect(await api.get('/v1/agents/')).toMatchObject([{ name: 'ana' }])
})

test('F32 a log without its database is one line that says so', async () => {
  const { file, settings } = await crashed()
  rmSync(file)
  await expectRefused(settings, `${file} is missing, but its log ${file}-wal is there`)
})

test('F27 a second server on the same file is one line, and the first goes on', async () => {
  const settings = emptyDatabase()
  const first = await startProcess(settings)
  await expectRefused(settings, 'in use by another Roundtable')
  await first.api.group(['ana', 'ben'])
  expect(await first.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('F34 a database of a newer version is one line that names it', async () => {
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
  await expectRefused(emptyDatabase(), 'needs Node 22.19 or newer', { node, entry: sourceEntry })
})

test('F34 F101 an update copies the database first, and keeps what is in it; a downgrade is refused', async () => {
  const { entry, migrations } = copyOfServer()
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

test('F101 an update that fails changes nothing', async () => {
  const { entry, migrations } = copyOfServer()
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

test('F101 an update that was killed while it copied the database copies it again', async () => {
  const { entry, migrations } = copyOfServer()
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

/** A database with an agent, as a killed server leaves it. */
async function crashed() {
  const settings = emptyDatabase()
  const server = await startProcess(settings)
  await server.api.agent({ name: 'ana' })
  await server.kill('SIGKILL')
  return { settings, file: settings.DATABASE_URL.slice('file:'.length) }
}

/** Writes rubbish over the first page of a table, which the log beside it does not hold. */
function damage(file: string, table: string) {
  const [page, size] = inFile(copyOf(file), (db) => [
    db.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').pluck().get(table) as number,
    db.pragma('page_size', { simple: true }) as number,
  ])
  const open = openSync(file, 'r+')
  writeSync(open, Buffer.alloc(size, 0xff), 0, size, (page - 1) * size)
  closeSync(open)
}

function copyOf(file: string): string {
  const copy = join(tempFolder(), 'copy.db')
  copyFileSync(file, copy)
  return copy
}

function writeIn(folder: string, name: string): string {
  writeFileSync(join(folder, name), 'text')
  return join(folder, name)
}

function linkIn(folder: string, target: string): string {
  symlinkSync(target, join(folder, 'link.db'))
  return join(folder, 'link.db')
}

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
