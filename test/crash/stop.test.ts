import Database from 'better-sqlite3'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess, type ServerProcess } from '../support/process.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { checkTalk, talk } from './history.ts'

test('F12 SIGTERM lets what is running come to its natural end', async () => {
  const { llm, settings, file } = await arrange({ ROUNDTABLE_SHUTDOWN_SECONDS: '1000' })
  const server = await startProcess(settings)
  const held = [llm.hold(), llm.hold(), llm.hold()]
  const talks = await talkInGroups(server, 3)
  await llm.received(3)
  for (const answer of held) answer.push('Well, ')
  await Promise.all(talks.flatMap(({ readers }) => readers.map(({ until }) => until((seen) => seen.length > 1))))

  const idle = await idleConnection(server.url)
  server.child.kill('SIGTERM')
  await idle.closed
  for (const answer of held) answer.push('that is all.')
  for (const answer of held) answer.finish()
  expect(await server.exited).toMatchObject({ code: 0, signal: null, stderr: '' })
  for (const { readers } of talks) {
    for (const reader of readers) {
      expect(await reader.ended).toBe('end')
      expect(reader.seen.at(-1)?.text).toMatch(/^id: \d+\ndata: \[DONE\]\n\n$/)
    }
  }
  expect(openRuns(file)).toEqual([])

  const { url } = await startProcess(settings)
  for (const one of talks) {
    const { frames, fate } = await checkTalk(url, one)
    expect(fate).toBe('undisturbed')
    for (const { seen } of one.readers) expect(seen.map(({ text }) => text)).toEqual(frames)
  }
})

test('F12 what does not end by itself goes on after the restart, and everybody is told to come back', async () => {
  const { llm, settings, file } = await arrange({ ROUNDTABLE_SHUTDOWN_SECONDS: '0.3' })
  const server = await startProcess(settings)
  const held = llm.hold()
  llm.script([{ silent: true }, { silent: true }, { silent: true }])
  const talks = await talkInGroups(server, 3)
  await llm.received(3)
  held.push('Well, ')
  await Promise.any(talks.map(({ readers }) => readers[0]!.until((seen) => seen.length > 1)))
  const patient = await server.api.group(['dan'])
  const answer = server.api.call('POST', `/v1/groups/${patient.id}/messages`, {
    input: 'Hello',
    override_model: 'openai/gpt-4o-mini',
  })
  await llm.received(4)

  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(await answer).toMatchObject({ status: 503, body: { run_id: expect.any(String), detail: expect.any(String) } })
  for (const { readers } of talks) for (const { ended } of readers) expect(await ended).toBe('end')
  expect(openRuns(file)).toHaveLength(4)

  const { url, api } = await startProcess(settings)
  for (const one of talks) expect((await checkTalk(url, one)).frames.join('')).toContain('gpt-4o-mini.')
  expect(await api.get('/v1/runs/?active=true')).toEqual([])
})

test('F12 a reader that has stopped reading does not keep the process', async () => {
  const { llm, settings } = await arrange()
  const server = await startProcess(settings)
  // More than the buffers of a socket take.
  llm.script([{ text: 'x'.repeat(400 * 65_536), chunk: 65_536 }])
  const [{ readers }] = await talkInGroups(server, 1)
  const [stuck, reading] = readers
  stuck!.pause()
  await reading!.ended
  expect(reading!.seen.at(-1)?.text).toContain('[DONE]')
  expect(stuck!.seen.at(-1)?.text).not.toContain('[DONE]')
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, signal: null })
})

test('F12 what is asked while the server goes down is refused, and worth another try', async () => {
  const { llm, settings } = await arrange({ ROUNDTABLE_SHUTDOWN_SECONDS: '1000' })
  const server = await startProcess(settings)
  const held = llm.hold()
  const [{ readers }] = await talkInGroups(server, 1)
  await llm.received(1)
  const { id } = await server.api.group(['eve'])
  const late = await halfSent(`${server.url}/v1/groups/${id}/messages`, { input: 'Hello' })

  server.child.kill('SIGTERM')
  await nobodyListens(server.url)
  expect(await late.finish()).toMatchObject({
    statusCode: 503,
    headers: { 'x-should-retry': 'true', 'retry-after': expect.any(String) },
  })
  held.finish()
  expect(await readers[0]!.ended).toBe('end')
  expect(await server.exited).toMatchObject({ code: 0, signal: null, stderr: '' })
})

test('F13 a second SIGTERM does not wait', async () => {
  const { llm, settings } = await arrange({ ROUNDTABLE_SHUTDOWN_SECONDS: '1000' })
  const server = await startProcess(settings)
  llm.hold()
  const talks = await talkInGroups(server, 1)
  await llm.received(1)
  const idle = await idleConnection(server.url)
  server.child.kill('SIGTERM')
  await idle.closed
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 1, signal: null, stderr: '' })
  expect(await talks[0].readers[0]!.ended).toBe('cut')

  const { url } = await startProcess(settings)
  expect((await checkTalk(url, talks[0])).frames.join('')).toContain('gpt-4o-mini.')
})

/** A database, and a model that speaks as the test says. */
async function arrange(extra: Record<string, string> = {}) {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const file = join(tempFolder(), 'test.db')
  const settings = { DATABASE_URL: `file:${file}`, OPENAI_BASE_URL: llm.url, OPENAI_API_KEY: 'sk-test-canary', ...extra }
  return { llm, settings, file }
}

/** In each of so many groups one run, with two readers. */
async function talkInGroups({ api, url }: ServerProcess, count: number) {
  const begun = Array.from({ length: count }, async (_, index) => {
    const { id } = await api.agent({ name: 'ana', model: 'openai/gpt-4o-mini' })
    const group = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [id], description: 'a test' })
    return await talk(url, { groupId: group.id, input: `Hello ${index}`, tokens: true, readers: 2 })
  })
  const [first, ...others] = await Promise.all(begun)
  return [first!, ...others] as const
}

/** Has a connection that does nothing: the server closes those first. */
async function idleConnection(url: string): Promise<{ closed: Promise<unknown> }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('GET /v1/health HTTP/1.1\r\nhost: test\r\n\r\n')
  await once(socket, 'data')
  return { closed: once(socket.resume(), 'close') }
}

/**
 * Resolves when a new connection is refused. One that is made before the server has heard the signal is closed with the other
 * idle ones; one that is made while it closes, and which nobody takes any more, is cut.
 */
async function nobodyListens(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const isRefused = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(Number(port), hostname)
      socket.once('connect', () => socket.write('GET /v1/health HTTP/1.1\r\nhost: test\r\n\r\n'))
      socket.resume().once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
      socket.once('close', () => resolve(false))
    })
  while (!(await isRefused())) {}
}

/** A request that has been taken, but for its body. */
async function halfSent(url: string, body: unknown) {
  const text = JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': text.length, expect: '100-continue' }
  const sending = request(url, { method: 'POST', agent: false, headers })
  sending.flushHeaders()
  await once(sending, 'continue')
  return {
    async finish(): Promise<IncomingMessage> {
      sending.end(text)
      const [response] = (await once(sending, 'response')) as [IncomingMessage]
      response.resume()
      return response
    },
  }
}

/** In the file, when nobody has it open. */
function openRuns(file: string) {
  const db = new Database(file, { readonly: true })
  try {
    return db.prepare(`SELECT id FROM runs WHERE status IN ('created', 'running')`).all()
  } finally {
    db.close()
  }
}
