import Database from 'better-sqlite3'
import { closeSync, globSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Db } from '../../src/db/db.ts'
import { takeLease } from '../../src/db/lease.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import { Writer } from '../../src/db/writer.ts'
import { StorageTrouble } from '../../src/errors.ts'
import { eventually } from '../support/eventually.ts'
import { said, testLog } from '../support/log.ts'
import { startServer, tempFolder } from '../support/server.ts'
import { tenantIn } from './build.ts'

test('F28 a log that a long reader has made grow is given back when it is gone', async () => {
  const file = join(tempFolder(), 'log.db')
  const bench = await testLog({}, file)
  const other = new Database(file, { readonly: true })
  onTestFinished(() => void other.close())
  other.exec('BEGIN')
  other.prepare('SELECT count(*) FROM log').get()
  const run = await bench.begin()
  const page = 'x'.repeat(20_000)
  for (let n = 0; n < 1500; n++) await bench.store.appendFrames([{ run: run.seq, first: n + 2, count: 1, frames: page }])
  expect((await bench.store.sizes()).walBytes).toBeGreaterThan(24 * 1024 * 1024)
  // Whoever reads sees what is there, and what was committed meanwhile is there for the others.
  expect(other.prepare('SELECT count(*) FROM log').pluck().get()).toBe(0)
  other.exec('COMMIT')
  await eventually(async () => (await bench.store.sizes()).walBytes <= 16 * 1024 * 1024)
  expect(other.prepare('SELECT count(*) FROM log').pluck().get()).toBe(1501)
})

test('the log stays small while nobody holds it', async () => {
  const bench = await testLog()
  const run = await bench.begin()
  for (let n = 0; n < 5000; n++)
    await bench.store.appendFrames([{ run: run.seq, first: n + 2, count: 1, frames: 'x'.repeat(2000) }])
  expect((await bench.store.sizes()).walBytes).toBeLessThan(8 * 1024 * 1024)
})

test('F29 whatever is asked for, nothing is written but in immediate transactions, and frames by a statement alone', async () => {
  const { api, llm } = await startServer()
  const wrong = spyOnWrites()
  llm.script([{ toolCalls: [{ name: 'core_memory_append', arguments: '{"label":"human","content":"Kim"}' }] }])
  const agent = await api.agent({ include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] })
  await api.post(`/v1/agents/${agent.id}/messages`, { input: 'I am Kim' })
  const group = await api.group(['ana', 'ben'])
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'Hi' })
  await api.patch(`/v1/groups/${group.id}`, { description: 'another' })
  await (await api.stream(`/v1/groups/${group.id}/messages/stream`, { input: 'Hi', stream_tokens: true })).text()
  const block = await api.post<{ id: string }>('/v1/blocks/', { label: 'facts', value: '' })
  await api.patch(`/v1/groups/${group.id}/blocks/attach/${block.id}`)
  await api.patch(`/v1/groups/${group.id}/reset-messages`)
  await api.patch(`/v1/agents/${agent.id}/reset-messages`)
  for (const path of [`/v1/blocks/${block.id}`, `/v1/groups/${group.id}`, `/v1/agents/${agent.id}`]) {
    await api.call('DELETE', path)
  }
  expect(wrong.seen).toBeGreaterThan(20)
  // It reads nothing before it has begun to write, so that it cannot come too late either.
  const alone = /^INSERT INTO log .* WHERE EXISTS \(SELECT 1 FROM leases WHERE epoch = \?\)$/
  expect(wrong.found.length).toBeGreaterThan(0)
  expect(wrong.found.filter((source) => !alone.test(source))).toEqual([])
})

test('F100 what a process says after another has taken over is refused, and is not in the log', async () => {
  const file = join(tempFolder(), 'test.db')
  const { store, log, begin } = await testLog({}, file)
  const run = await begin()
  const other = new Database(file)
  onTestFinished(() => void other.close())
  const rows = other.prepare('SELECT count(*) FROM log').pluck()
  const before = rows.get()
  takeLease(other)
  void log.append(run.seq, [said('too late')])
  await expect(log.unlessStuck(new Promise(() => {}))).rejects.toThrow(StorageTrouble)
  expect((store.failed.reason as Error).message).toMatch(/^Another process has taken over/)
  expect(rows.get()).toBe(before)
  log.giveUp()
})

test('F29 no other kind of transaction is in the source', () => {
  const root = new URL('../../src/', import.meta.url).pathname
  const begins = globSync('**/*.ts', { cwd: root }).flatMap((file) => {
    const found = readFileSync(join(root, file), 'utf8').match(/\bBEGIN\b[^'`]*|\.(transaction|savepoint)\(/g) ?? []
    return found.map((text) => `${file}: ${text}`)
  })
  // Both EXCLUSIVE hold the lock beside the file, and write nothing.
  expect(begins.toSorted()).toEqual([
    'db/examine.ts: BEGIN EXCLUSIVE',
    'db/lease.ts: .transaction(',
    'db/lease.ts: .transaction(',
    'db/opening.ts: BEGIN EXCLUSIVE',
    'db/pairing.ts: .transaction(',
    'db/writer.ts: .transaction(',
  ])
  const files = begins.filter((found) => found.endsWith('.transaction(')).map((found) => found.split(':')[0]!)
  expect(files.filter((file) => !readFileSync(join(root, file), 'utf8').includes('.immediate'))).toEqual([])
})

test('F30 a transaction cannot wait for anything', async () => {
  const raw = new Database(':memory:')
  raw.exec('CREATE TABLE t (a)')
  const { write } = new Writer(raw, ':memory:', () => {}) satisfies Pick<Db, 'write'>
  const later = async () => void raw.exec('INSERT INTO t VALUES (1)')
  // @ts-expect-error -- nor does it compile
  await expect(write(later)).rejects.toThrow('cannot return a promise')
  expect(raw.prepare('SELECT count(*) FROM t').pluck().get()).toBe(0)
})

test('F31 damage that is met while the server runs stops all writing, for good', async () => {
  const file = join(tempFolder(), 'test.db')
  const before = openSqlite(`file:${file}`, 'migrations/sqlite')
  const { tenant, block } = await tenantIn(before)
  await block()
  await before.close()
  damage(file, 'blocks')

  const store = openSqlite(`file:${file}`, 'migrations/sqlite')
  onTestFinished(() => store.close())
  expect(await store.ready()).toBe(true)
  await expect(store.listBlocks(tenant, { limit: 10, order: 'asc' } as never)).rejects.toMatchObject({
    status: 503,
    errorType: 'storage_failed',
  })
  expect(store.failed.aborted).toBe(true)
  expect((store.failed.reason as Error).message).toMatch(/test\.db has failed \(SQLITE_CORRUPT/)
  await expect(store.ensureTenant('org-x')).rejects.toThrow(StorageTrouble)
  await expect(store.ready()).rejects.toThrow(StorageTrouble)
})

test('F26 many writers that wait for one lock ask for it together, and all get through', async () => {
  const file = join(tempFolder(), 'test.db')
  const store = openSqlite(`file:${file}`, 'migrations/sqlite')
  onTestFinished(() => store.close())
  const other = new Database(file)
  onTestFinished(() => void other.close())
  other.exec('BEGIN EXCLUSIVE')
  const tries = spyOnBegins()
  const tenants = Array.from({ length: 500 }, (_, n) => `org-${n}`)
  const writes = tenants.map((tenant) => store.ensureTenant(tenant))
  await eventually(() => tries.count >= 3)
  // Two more rounds at most have begun since: a try of each writer would be hundreds.
  expect(tries.count).toBeLessThan(10)
  other.exec('COMMIT')
  await Promise.all(writes)
  expect(other.prepare(`SELECT count(*) FROM tenants WHERE id LIKE 'org-%'`).pluck().get()).toBe(500)
})

test('what the disk does not take is given up when the process ends, and nothing of it is lost in between', async () => {
  const bench = await testLog({ flushMs: 0, retryMs: 1 })
  const run = await bench.begin()
  const { store } = bench
  const write = store.appendFrames.bind(store)
  store.appendFrames = async () => {
    throw new StorageTrouble('full', new Error('no space'))
  }
  void bench.log.append(run.seq, [said('kept')])
  await expect(bench.log.unlessStuck(new Promise(() => {}))).rejects.toThrow(StorageTrouble)
  await expect(bench.begin()).rejects.toMatchObject({ status: 507 })
  bench.log.giveUp()
  await bench.log.settled()
  store.appendFrames = write
  await bench.end(run)
  expect((await bench.log.read(run.seq, 1))!.text).toContain('kept')
})

/** Writes rubbish over the first page of a table in a closed file. */
function damage(file: string, table: string) {
  const db = new Database(file, { readonly: true })
  const page = db.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').pluck().get(table) as number
  const size = db.pragma('page_size', { simple: true }) as number
  db.close()
  const open = openSync(file, 'r+')
  writeSync(open, Buffer.alloc(size, 0xff), 0, size, (page - 1) * size)
  closeSync(open)
}

type Verb = (this: Database.Statement, ...args: unknown[]) => unknown

/** Sees every statement of this process before it runs, till the end of the test. */
function spyOnStatements(see: (statement: Database.Statement) => void) {
  const db = new Database(':memory:')
  const prototype = Object.getPrototypeOf(db.prepare('SELECT 1')) as Record<'run' | 'get' | 'all', Verb>
  db.close()
  for (const name of ['run', 'get', 'all'] as const) {
    const plain = prototype[name]
    prototype[name] = function (...args) {
      see(this)
      return plain.apply(this, args)
    }
    onTestFinished(() => void (prototype[name] = plain))
  }
}

function spyOnWrites() {
  const wrong = { seen: 0, found: [] as string[] }
  spyOnStatements(({ source, readonly, database }) => {
    if (/^BEGIN/i.test(source)) {
      wrong.seen++
      if (!/IMMEDIATE/i.test(source)) wrong.found.push(source)
    } else if (!readonly && !database.inTransaction && !/^(PRAGMA|COMMIT|ROLLBACK)/i.test(source)) wrong.found.push(source)
  })
  return wrong
}

function spyOnBegins() {
  const tries = { count: 0 }
  spyOnStatements(({ source }) => void (/^BEGIN IMMEDIATE/i.test(source) && tries.count++))
  return tries
}
