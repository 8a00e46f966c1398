import Database from 'better-sqlite3'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Run } from '../../src/wire/run.ts'
import { canTrace, injectFault, type SmallDisk, smallDisk } from '../support/disk.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/log.ts'
import { type LaunchOptions, type ServerProcess, startProcess } from '../support/process.ts'
import { openReader, type Reader, readToEnd } from '../support/reader.ts'
import { type ScriptedProvider, scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'

const noDisk = 'this machine lets nobody mount a disk'
const noTrace = 'this machine has no strace, or does not let it trace'

test('F17 F18 on a full disk new work is refused at once, readers go on, runs wait, and all goes on when there is room', async ({
  skip,
}) => {
  const disk = smallDisk(12)
  if (!disk) return skip(noDisk)
  const { server, llm } = await arrange(disk.folder)
  const cancelled = await talkOf(server, llm)
  const talk = await talkOf(server, llm)
  await fillUp(server, disk, talk)

  // Nobody waits, nobody asks the disk: so many at once are answered before the next probe.
  const refused = await Promise.all(range(1, 200).map(() => server.api.call('POST', talk.path, { input: 'more' })))
  for (const answer of refused) {
    expect(answer).toMatchObject({ status: 507, body: { error_type: 'storage_full' } })
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
  }
  expect(await server.api.call('GET', '/v1/ready')).toMatchObject({ status: 503 })
  expect(await server.api.get<Run>(`/v1/runs/${talk.runId}`)).toMatchObject({ status: 'running' })
  const late = await openReader(`${server.url}/v1/runs/${talk.runId}/stream`)
  await late.until((seen) => seen.length >= talk.reader.seen.length)
  expect(await server.api.call('POST', `/v1/runs/${cancelled.runId}/cancel`)).toMatchObject({ status: 507 })

  disk.empty()
  for (const reader of [talk.reader, late, cancelled.reader]) {
    expect(await reader.ended).toBe('end')
    expectWhole(reader)
  }
  expect(wordsOf(talk.reader).join('')).toBe(talk.pushed.join(''))
  expect(await server.api.get<Run>(`/v1/runs/${talk.runId}`)).toMatchObject({ status: 'completed' })
  expect(late.seen).toEqual(talk.reader.seen)
  await eventually(async () => (await server.api.call('GET', '/v1/ready')).status === 200)
  llm.script(() => ({ text: 'There is room.' }))
  expect(await server.api.call('POST', talk.path, { input: 'again' })).toMatchObject({ status: 200 })
  expect(await lastAcknowledged(server, talk)).toBe(true)
  expect(linesOf(server, 'new work is refused, runs wait')).toBeLessThan(5)
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 })
  expectSound(disk.folder)
})

test('F17 SIGTERM on a full disk ends the process in time; what was stored is there, and the run goes on after the next start', async ({
  skip,
}) => {
  const disk = smallDisk(12)
  if (!disk) return skip(noDisk)
  const { server, llm, settings } = await arrange(disk.folder)
  const talk = await talkOf(server, llm)
  await fillUp(server, disk, talk)
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, signal: null })

  disk.empty()
  llm.script(() => ({ text: 'Here I am again.' }))
  const next = await startProcess(settings)
  const whole = await readToEnd(`${next.url}/v1/runs/${talk.runId}/stream`)
  expectWhole(whole)
  expect(whole.seen.slice(0, talk.reader.seen.length)).toEqual(talk.reader.seen)
  expect(await next.api.get<Run>(`/v1/runs/${talk.runId}`)).toMatchObject({ status: 'completed' })
  expect(await lastAcknowledged(next, talk)).toBe(true)
  expect(await next.kill('SIGTERM')).toMatchObject({ code: 0 })
  expectSound(disk.folder)
})

test('F19 a failed fsync ends the process with one line; what was acknowledged is there', async ({ skip }) => {
  if (!canTrace) return skip(noTrace)
  const folder = tempFolder()
  const { server, settings } = await arrange(folder)
  const names = new Set<string>()
  const write = async (name: string) => {
    const answer = await server.api.call('POST', '/v1/blocks/', { label: name, value: name }).catch(() => undefined)
    if (answer?.status === 200) names.add(name)
    else if (answer) expect(answer).toMatchObject({ status: 503, body: { error_type: 'storage_failed' } })
    return answer !== undefined
  }
  await write('before')
  await injectFault(server.child.pid!, 'fsync,fdatasync:error=EIO')
  for (let n = 0; await write(`block${n}`); n++);
  const { code, stderr } = await server.exited
  expect(code).toBe(1)
  expect(stderr).toMatch(/^The database \S+ has failed \(SQLITE_IOERR_FSYNC: .*\): nothing more is written\n$/)

  const next = await startProcess(settings)
  const listed = await next.api.get<{ label: string }[]>('/v1/blocks/?limit=1000')
  const labels = new Set(listed.map(({ label }) => label))
  expect([...names].filter((name) => !labels.has(name))).toEqual([])
  expect(await next.kill('SIGTERM')).toMatchObject({ code: 0 })
  expectSound(folder)
})

test('F19 a broken disk under a write ends the process as well', async ({ skip }) => {
  if (!canTrace) return skip(noTrace)
  const { server, settings } = await arrange(tempFolder())
  await injectFault(server.child.pid!, 'pwrite64:error=EIO')
  await server.api.call('POST', '/v1/blocks/', { label: 'one', value: '1' }).catch(() => {})
  const { code, stderr } = await server.exited
  expect(code).toBe(1)
  expect(stderr).toMatch(/has failed \(SQLITE_IOERR_WRITE: .*\): nothing more is written\n$/)
  expect(await (await startProcess(settings)).api.get('/v1/blocks/')).toEqual([])
})

test.each([
  ['F20 a disk that has become read-only', 'pwrite64:error=EROFS'],
  ['F17 a quota', 'pwrite64:error=EDQUOT'],
])('%s is waited for like a full one', async (_, fault) => {
  if (!canTrace) return console.info(`skipped: ${noTrace}`)
  const { server, llm } = await arrange(tempFolder())
  const talk = await talkOf(server, llm)
  const { stop } = await injectFault(server.child.pid!, fault)
  await fillUp(server, undefined, talk)
  await server.api.get('/v1/groups/')
  await stop()
  expect(await talk.reader.ended).toBe('end')
  expectWhole(talk.reader)
  expect(await lastAcknowledged(server, talk)).toBe(true)
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('F21 a limit on the size of files is waited for like a full disk', async () => {
  const folder = tempFolder()
  const limited = { under: ['bash', '-c', 'ulimit -S -f 3000; exec "$@"', '--'] }
  const { server, llm } = await arrange(folder, limited)
  const talk = await talkOf(server, llm)
  await fillUp(server, undefined, talk)
  await server.api.get('/v1/groups/')
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, signal: null })
  llm.script(() => ({ text: 'Here I am again.' }))
  const next = await startProcess(settingsOf(folder, llm))
  const whole = await readToEnd(`${next.url}/v1/runs/${talk.runId}/stream`)
  expectWhole(whole)
  expect(whole.seen.slice(0, talk.reader.seen.length)).toEqual(talk.reader.seen)
  expect(await lastAcknowledged(next, talk)).toBe(true)
  expect(await next.kill('SIGTERM')).toMatchObject({ code: 0 })
  expectSound(folder)
})

test('F23 a full disk for temporary files hinders nobody', async ({ skip }) => {
  const disk = smallDisk(1)
  if (!disk) return skip(noDisk)
  disk.fill()
  const { server, llm } = await arrange(tempFolder(), {}, { TMPDIR: disk.folder, SQLITE_TMPDIR: disk.folder })
  llm.script(() => ({ text: 'Hello' }))
  const { id } = await server.api.group(['ana', 'ben'])
  await server.api.post(`/v1/groups/${id}/messages`, { input: 'Hi' })
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('F24 on a slow disk runs come to their end, and readers hear something in between', async ({ skip }) => {
  if (!canTrace) return skip(noTrace)
  const { server, llm } = await arrange(tempFolder(), {}, { LETTA_KEEPALIVE_INTERVAL: '0.2' })
  await injectFault(server.child.pid!, 'fsync,fdatasync:delay_exit=200000')
  const talk = await talkOf(server, llm)
  // A ping of silence is not stored.
  await talk.reader.until((seen) => seen.filter(({ id }) => id === undefined).length >= 5)
  for (let n = 0; n < 50; n++) talk.push('x'.repeat(20_000))
  talk.finish()
  expect(await talk.reader.ended).toBe('end')
  expectWhole(talk.reader)
})

test.each([
  ['deleted', (file: string) => rmSync(file)],
  ['replaced', (file: string) => renameSync(copyOf(file), file)],
])('F25 a database that is %s while it is used ends the process with one line', async (_, harm) => {
  const folder = tempFolder()
  const { server } = await arrange(folder)
  harm(join(folder, 'test.db'))
  const { code, stderr } = await server.exited
  expect(code).toBe(1)
  expect(stderr).toBe(`${join(folder, 'test.db')} was deleted or replaced while it was in use: nothing more is written\n`)
})

function copyOf(file: string): string {
  writeFileSync(`${file}.copy`, readFileSync(file))
  return `${file}.copy`
}

test('F26 a lock that another process holds is waited for, and holds up nobody who reads', async () => {
  const folder = tempFolder()
  const { server, llm } = await arrange(folder)
  const talk = await talkOf(server, llm)
  const other = new Database(join(folder, 'test.db'))
  onTestFinished(() => void other.close())
  other.exec('BEGIN EXCLUSIVE')
  talk.push('held ')
  const written = server.api.call('PATCH', talk.group, { description: 'after the lock' })
  // Each answer is one that a process that waits for the lock could not give.
  for (let n = 0; n < 100; n++) await server.api.get(talk.group)
  other.exec('COMMIT')
  expect(await written).toMatchObject({ status: 200 })
  talk.finish()
  expect(await talk.reader.ended).toBe('end')
  expectWhole(talk.reader)
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
})

test('F26 who waits too long for a lock is told so, and no frame is lost', async () => {
  const folder = tempFolder()
  const { server, llm } = await arrange(folder)
  const talk = await talkOf(server, llm)
  const other = new Database(join(folder, 'test.db'))
  onTestFinished(() => void other.close())
  other.exec('BEGIN EXCLUSIVE')
  for (let n = 0; n < 20; n++) talk.push(`word${n} `)
  const writes = [
    server.api.call('PATCH', talk.group, { description: 'never' }),
    server.api.call('POST', talk.path, { input: 'x' }),
  ]
  for (const answer of await Promise.all(writes)) {
    expect(answer).toMatchObject({ status: 503, body: { error_type: 'storage_busy' } })
    expect(answer.headers.get('x-should-retry')).toBe('true')
  }
  other.exec('COMMIT')
  talk.finish()
  expect(await talk.reader.ended).toBe('end')
  expectWhole(talk.reader)
  expect(wordsOf(talk.reader).join('')).toBe(talk.pushed.join(''))
  expect(await server.api.get(talk.group)).not.toMatchObject({ description: 'never' })
})

const settingsOf = (folder: string, llm: ScriptedProvider) => ({
  DATABASE_URL: `file:${join(folder, 'test.db')}`,
  OPENAI_BASE_URL: llm.url,
  OPENAI_API_KEY: 'sk-test-canary',
  ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
  ROUNDTABLE_SHUTDOWN_SECONDS: '0.2',
})

async function arrange(folder: string, options: LaunchOptions = {}, extra: Record<string, string> = {}) {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = { ...settingsOf(folder, llm), ...extra }
  return { llm, settings, server: await startProcess(settings, options) }
}

type Talk = Awaited<ReturnType<typeof talkOf>>

/** A run of one agent whose words the test says, with a reader. */
async function talkOf({ api, url }: ServerProcess, llm: ScriptedProvider) {
  const { id } = await api.group(['ana'])
  const held = llm.hold()
  const path = `/v1/groups/${id}/messages`
  const reader = await openReader(`${url}${path}`, {
    method: 'POST',
    body: { input: 'talk', streaming: true, stream_tokens: true },
  })
  await llm.received(1)
  const pushed: string[] = []
  const push = (word: string) => {
    pushed.push(word)
    held.push(word)
  }
  push('begun ')
  await reader.until((seen) => seen.length >= 2)
  const runId = String(reader.headers['x-letta-run-id'])
  return { group: `/v1/groups/${id}`, path, reader, runId, pushed, push, finish: () => held.finish(), acknowledged: '' }
}

/** Fills the disk, and what room there is left in the files on it, until nothing is taken any more; the answer is over by then. */
async function fillUp({ api }: ServerProcess, disk: SmallDisk | undefined, talk: Talk) {
  disk?.fill()
  for (let n = 0; ; n++) {
    talk.push('x'.repeat(100_000))
    const description = `${n} ${'y'.repeat(10_000)}`
    const { status } = await api.call('PATCH', talk.group, { description })
    if (status === 507) break
    expect(status).toBe(200)
    talk.acknowledged = description
  }
  talk.finish()
  // The run waits, too: it has been told that its frames are not stored.
  await eventually(async () => (await api.call('POST', talk.path, { input: 'more' })).status === 507)
}

const lastAcknowledged = async ({ api }: ServerProcess, { group, acknowledged }: Talk) =>
  acknowledged === '' || (await api.get<{ description: string }>(group)).description === acknowledged

const dataOf = (text: string) => text.slice(text.indexOf('data: ') + 6, -2)

const wordsOf = ({ seen }: Reader) =>
  seen.flatMap(({ text }) => {
    const data = dataOf(text)
    if (data === '[DONE]') return []
    const message = JSON.parse(data) as { message_type: string; content?: string }
    return message.message_type === 'assistant_message' ? [message.content ?? ''] : []
  })

/** Frames 1, 2, 3 … to its one end. */
function expectWhole({ seen }: Reader) {
  const stored = seen.filter(({ id }) => id !== undefined)
  expect(stored.map(({ id }) => id)).toEqual(range(1, stored.length))
  expect(stored.map(({ text }) => dataOf(text)).indexOf('[DONE]')).toBe(stored.length - 1)
}

const linesOf = ({ stdout }: ServerProcess, text: string) => stdout.split('\n').filter((line) => line.includes(text)).length

function expectSound(folder: string) {
  const db = new Database(join(folder, 'test.db'), { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  expect(db.pragma('foreign_key_check')).toEqual([])
  db.close()
}
