import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openSqlite } from '../../src/db/sqlite.ts'
import type { Api } from '../support/api.ts'
import { launch, startProcess } from '../support/process.ts'
import { tempFolder } from '../support/server.ts'
import { say } from '../tools/build.ts'

const current = new URL('../../migrations/sqlite', import.meta.url).pathname

interface Migrations {
  entries: { idx: number; tag: string; when: number }[]
}

const steps = (JSON.parse(readFileSync(join(current, 'meta/_journal.json'), 'utf8')) as Migrations).entries

const kept = mkdtempSync(join(tmpdir(), 'roundtable-'))
afterAll(() => rmSync(kept, { recursive: true }))

/** What there is to lose, as the server of today stores it, and as its clients see it. Made once. */
let made: Promise<{ file: string; seen: unknown }> | undefined
const today = () => (made ??= makeToday())

async function makeToday() {
  const file = join(kept, 'today.db')
  const { api, kill } = await startProcess({ DATABASE_URL: `file:${file}` })
  const group = await api.group(['ana', 'ben'])
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'Hello' })
  const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'facts', value: 'none' })
  await api.patch(`/v1/groups/${group.id}/blocks/attach/${block.id}`)
  const seen = await everything(api)
  await kill('SIGTERM')
  return { file, seen }
}

test.each(steps.map(({ tag }, step) => [tag, step] as const))(
  'F101 a database of the version of %s is brought up with all that is in it',
  async (_, step) => {
    const { file: source, seen } = await today()
    const file = databaseAt(step, source)
    const before = countsOf(file)
    const server = await startProcess({ DATABASE_URL: `file:${file}` })
    expect(await everything(server.api)).toEqual(seen)
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
    expectBroughtUp(file, before)
    const backups = backupsOf(file)
    expect(backups).toHaveLength(step === steps.length - 1 ? 0 : 1)
    for (const backup of backups) expect(countsOf(backup)).toEqual(before)
    await expectFound(file)
  },
)

test('F101 an update that is killed before any of its statements is made by the next start', { timeout: 600_000 }, async () => {
  const { file: source, seen } = await today()
  const old = databaseAt(0, source)
  const before = countsOf(old)
  let kills = 0
  for (let statement = 1; ; statement++) {
    const file = join(tempFolder(), 'test.db')
    copyFileSync(old, file)
    const killed = launch({ DATABASE_URL: `file:${file}`, ...killAt(statement) })
    const outcome = await Promise.race([killed.exited, killed.listening.catch(() => killed.exited)])
    if (typeof outcome === 'string') break
    expect(outcome.signal).toBe('SIGKILL')
    kills++
    const next = await startProcess({ DATABASE_URL: `file:${file}` })
    expect(await everything(next.api)).toEqual(seen)
    expect(await next.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
    expectBroughtUp(file, before)
    for (const backup of backupsOf(file)) expect(countsOf(backup)).toEqual(before)
    await expectFound(file)
  }
  console.info(`killed before each of ${kills} statements`)
  const statements = steps
    .slice(1)
    .flatMap(({ tag }) => readFileSync(join(current, `${tag}.sql`), 'utf8').split('--> statement-breakpoint'))
  expect(kills).toBeGreaterThan(statements.length)
})

test('F101 of two servers that would update one database at once one does, and the other says why it does not', async () => {
  const file = databaseAt(0, (await today()).file)
  const before = countsOf(file)
  const both = [launch({ DATABASE_URL: `file:${file}` }), launch({ DATABASE_URL: `file:${file}` })]
  const outcomes = await Promise.all(
    both.map(({ listening }) =>
      listening.then(
        () => true,
        () => false,
      ),
    ),
  )
  expect(outcomes.toSorted()).toEqual([false, true])
  const loser = both[outcomes.indexOf(false)]!
  expect(await loser.exited).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^.* is in use by another Roundtable.*\n$/),
  })
  expect(await both[outcomes.indexOf(true)]!.kill('SIGTERM')).toMatchObject({ code: 0 })
  expectBroughtUp(file, before)
})

/** What a client can list, and the stream of each run. */
async function everything(api: Api) {
  const [agents, groups, blocks, runs] = await Promise.all(
    ['agents', 'groups', 'blocks', 'runs'].map((noun) => api.get<{ id: string }[]>(`/v1/${noun}/?order=asc`)),
  )
  const messages = await Promise.all(groups!.map(({ id }) => api.get(`/v1/groups/${id}/messages?limit=1000`)))
  const streams = await Promise.all(runs!.map(async ({ id }) => await (await api.stream(`/v1/runs/${id}/stream`, {})).text()))
  return { agents, groups, blocks, runs, messages, streams }
}

/** A database as the version that knew only the migrations up to `step` would have left it: what is there today, as far as it goes. */
function databaseAt(step: number, source: string): string {
  const folder = tempFolder()
  const migrationsFolder = join(folder, 'migrations')
  cpSync(current, migrationsFolder, { recursive: true })
  const journal = { version: '7', dialect: 'sqlite', entries: steps.slice(0, step + 1) }
  writeFileSync(join(migrationsFolder, 'meta/_journal.json'), JSON.stringify(journal))
  const file = join(folder, 'test.db')
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  migrate(drizzle(db), { migrationsFolder })
  db.pragma('foreign_keys = OFF')
  db.prepare('ATTACH ? AS today').run(source)
  const columnsOf = (schema: string, table: string) =>
    db.prepare('SELECT name FROM pragma_table_info(?, ?)').pluck().all(table, schema) as string[]
  for (const table of tablesOf(db)) {
    const now = columnsOf('today', table)
    const shared = columnsOf('main', table)
      .filter((column) => now.includes(column))
      .map((column) => `"${column}"`)
      .join()
    if (shared !== '') db.exec(`INSERT INTO main.${table} (${shared}) SELECT ${shared} FROM today.${table}`)
  }
  db.exec('DETACH today')
  db.close()
  return file
}

/** Without those that are made of others: the marks say how far the search tables have come, and nothing is in those yet. */
const tablesOf = (db: Database.Database) =>
  (db.prepare(`SELECT name, type FROM pragma_table_list WHERE schema = 'main'`).all() as { name: string; type: string }[])
    .filter(({ name, type }) => type === 'table' && !/^(sqlite_|__drizzle|leases$|search_marks$)/.test(name))
    .map(({ name }) => name)

function inFile<T>(file: string, work: (db: Database.Database) => T): T {
  const db = new Database(file, { fileMustExist: true, readonly: true })
  try {
    return work(db)
  } finally {
    db.close()
  }
}

/** How many rows there are in each table that the first version had. */
const countsOf = (file: string) =>
  inFile(file, (db) =>
    ['tenants', 'agents', 'blocks', 'groups', 'group_members', 'messages', 'runs', 'steps', 'segments'].map((table) => [
      table,
      db.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
    ]),
  )

function expectBroughtUp(file: string, before: unknown) {
  expect(countsOf(file)).toEqual(before)
  inFile(file, (db) => {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(db.pragma('foreign_key_check')).toEqual([])
    expect(db.prepare('SELECT count(*) FROM __drizzle_migrations').pluck().get()).toBe(steps.length)
  })
}

/** What each agent heard before the update is found by a search, and so is what it hears after it. */
async function expectFound(file: string) {
  const store = openSqlite(`file:${file}`, current)
  try {
    const agents = inFile(file, (db) => db.prepare('SELECT id, tenant FROM agents').all() as { id: string; tenant: string }[])
    expect(agents).toHaveLength(2)
    for (const { id, tenant } of agents) {
      const find = async (text: string) =>
        (await store.searchMessages(tenant, id, { text, limit: 9 })).map((found) => found.text)
      expect(await find('hello')).toContain('Hello')
      await say(store, tenant, id, ['Good evening'])
      expect(await find('evening')).toEqual(['Good evening'])
      expect(await find('hello')).toContain('Hello')
    }
  } finally {
    await store.close()
  }
}

const backupsOf = (file: string) =>
  readdirSync(join(file, '..'))
    .filter((name) => name.endsWith('.backup'))
    .map((name) => join(file, '..', name))

/** The server is killed before it runs its n-th statement that changes something, until it is up to date. */
const killAt = (statement: number) => ({
  KILL_AT_STATEMENT: String(statement),
  NODE_OPTIONS: `--import ${new URL('../support/kill-at-statement.js', import.meta.url).href}`,
})
