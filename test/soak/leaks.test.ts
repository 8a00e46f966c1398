import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Run } from '../../src/wire/run.ts'
import { eventually } from '../support/eventually.ts'
import { range } from '../support/log.ts'
import { filesOf, type Held, probe, probed } from '../support/probe.ts'
import { type ServerProcess, startProcess } from '../support/process.ts'
import { type ScriptedProvider, scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'

/** `npm run soak` makes them many: 10 000 runs and 20 000 connects. */
const RUNS = Number(process.env['SOAK_RUNS'] ?? 600)
const CONNECTS = 2 * RUNS
/** At once. */
const WORKERS = 20

test('F95 after many runs and connects a server holds no more than before them', { timeout: 3_600_000 }, async () => {
  const { server, llm } = await arrange()
  const live = await liveRun(server, llm)
  const wave = async (runs: number, connects: number) => {
    await inParallel(runs / WORKERS, (worker) => talks(server, runs / WORKERS, worker))
    await inParallel(connects / WORKERS, () => visits(server, live.stream, connects / WORKERS))
    llm.requests.length = 0
  }
  const idle = filesOf(server)
  // As high as its memory rises it has risen then.
  await wave(3600, 7200)
  const before = await settled(server, idle)
  await wave(RUNS, CONNECTS)
  const after = await settled(server, idle)
  console.info(`${RUNS} runs, ${CONNECTS} connects:\n${shown('before', before)}\n${shown('after', after)}`)

  const bytes = ({ heapUsed, arrayBuffers }: Held) => heapUsed + arrayBuffers
  expect(bytes(after)).toBeLessThan(1.05 * bytes(before))
  expect(after.rss).toBeLessThan(1.05 * before.rss)
  expect(after.timers).toBeLessThanOrEqual(before.timers)
  live.finish()
  await eventually(async () => (await server.api.get<Run>(live.run)).status === 'completed')
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 })
})

async function arrange() {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = {
    ...probed,
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
  }
  return { llm, server: await startProcess(settings) }
}

/** A run that goes on all the while, for those who come and go. */
async function liveRun({ api, url }: ServerProcess, llm: ScriptedProvider) {
  const agent = await api.agent({ name: 'ana' })
  const held = llm.hold()
  const answer = await open(`${url}/v1/agents/${agent.id}/messages/stream`, {
    messages: [{ role: 'user', content: 'talk' }],
    stream_tokens: true,
  })
  for (const n of range(1, 50)) held.push(`word${n} `)
  const run = `/v1/runs/${String(answer.headers['x-letta-run-id'])}`
  answer.destroy()
  return { run, stream: `${url}${run}/stream`, finish: () => held.finish() }
}

/** Makes agents, talks to each for a while, in either way, and forgets them. */
async function talks({ api, url }: ServerProcess, count: number, worker: number) {
  for (let n = 0; n < count;) {
    const { id } = await api.agent({ name: `agent${worker}` })
    for (const end = Math.min(count, n + 25); n < end; n++) {
      const body = { messages: [{ role: 'user', content: `Hello ${n}` }], stream_tokens: n % 4 === 0 }
      await toEnd(await open(`${url}/v1/agents/${id}/messages${n % 2 === 0 ? '/stream' : ''}`, body))
    }
    await api.call('DELETE', `/v1/agents/${id}`)
  }
}

/** Comes, reads a little and goes, in either way. */
async function visits({ url }: ServerProcess, stream: string, count: number) {
  for (let n = 0; n < count; n++) {
    const answer = await open(n % 4 === 3 ? `${url}/v1/agents/` : `${stream}?starting_after=${n % 40}`)
    if (n % 4 === 3) await toEnd(answer)
    else await once(answer, 'data')
    if (n % 2 === 0) answer.socket.resetAndDestroy()
    else answer.destroy()
  }
}

async function inParallel(each: number, work: (worker: number) => Promise<void>): Promise<void> {
  if (!Number.isInteger(each)) throw new Error(`SOAK_RUNS must be a multiple of ${WORKERS}`)
  await Promise.all(range(1, WORKERS).map(work))
}

/** What it holds once it has closed what it is done with: as many files are open as when it had nothing to do. */
async function settled(server: ServerProcess, idle: number): Promise<Held> {
  await eventually(() => filesOf(server) <= idle)
  return await probe(server)
}

async function open(url: string, body?: unknown): Promise<IncomingMessage> {
  const sending = request(url, {
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' } }),
  })
  sending.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  sending.on('error', () => {})
  answer.on('error', () => {})
  expect(answer.statusCode).toBe(200)
  return answer
}

async function toEnd(answer: IncomingMessage): Promise<void> {
  answer.resume()
  await once(answer, 'end')
}

const shown = (when: string, { heapUsed, arrayBuffers, rss, files, timers }: Held) =>
  `${when.padEnd(6)} heap ${mb(heapUsed)} MB, buffers ${mb(arrayBuffers)} MB, RSS ${mb(rss)} MB, files ${files}, timers ${timers}`

const mb = (bytes: number) => (bytes / 1024 / 1024).toFixed(1)
