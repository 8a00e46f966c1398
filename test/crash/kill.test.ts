import Database from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFailed, onTestFinished, test } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { canTrace, injectFault } from '../support/disk.ts'
import { launch, type ServerProcess, startProcess } from '../support/process.ts'
import { type Answer, scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { checkTalk, storedFrames, type Talk, talk } from './history.ts'

const noTrace = 'this machine has no strace, or does not let it trace'

/** Every sixth as soon as the first request was accepted, the others while they stream. */
const KILLS = 15
/** Over all readers of a life; a random number up to it is waited for. */
const MOST_FRAMES = 600

test('F7 whatever a client has seen or was promised is there after a SIGKILL', { timeout: 300_000 }, async () => {
  const { random, settings, folder } = await arrange()
  const hashes = new Map<string, string>()
  const inputs = new Map<string, string[]>()
  const counts = { undisturbed: 0, 'went on': 0, 'given up': 0, seen: 0 }
  let talks: Talk[] = []

  const takeStock = async (server: ServerProcess) => {
    await Promise.all(
      talks.map(async (one) => {
        const { frames, fate } = await checkTalk(server.url, one)
        hashes.set(one.runId, hashOf(frames))
        counts[fate]++
        counts.seen += one.readers.reduce((sum, { seen }) => sum + seen.length, 0)
      }),
    )
    await Promise.all(talks.map(({ groupId }) => expectUsable(server, groupId)))
    for (const { groupId, input } of talks) inputs.set(groupId, [input, 'short'])
  }

  for (let life = 0; life < KILLS; life++) {
    const server = await startProcess(settings)
    await takeStock(server)
    const atAcceptance = life % 6 === 5
    talks = await liveUntil(server, life, atAcceptance ? 0 : 1 + Math.floor(random() * MOST_FRAMES))
    expect(server.stderr).toBe('')
  }

  const server = await startProcess(settings)
  await takeStock(server)
  // Nothing that came later has touched what was there.
  for (const [runId, hash] of hashes) expect(hashOf(await storedFrames(server.url, runId))).toBe(hash)
  for (const [groupId, said] of inputs) {
    const listed = await server.api.get<LettaMessage[]>(`/v1/groups/${groupId}/messages?order=asc&limit=1000`)
    expect(listed.flatMap((message) => (message.message_type === 'user_message' ? [message.content] : []))).toEqual(said)
  }
  expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  expectSound(folder)
  // Of four runs two show each token, and what these had begun to say is withdrawn; the one that takes few turns is often over.
  expect(counts['went on']).toBeGreaterThan(KILLS / 2)
  console.info(`${KILLS} kills: ${JSON.stringify(counts)}`)
})

test('F7 a server that is killed while it recovers recovers the next time', async () => {
  const { random, settings, folder } = await arrange()
  const first = await startProcess(settings)
  const talks = await liveUntil(first, 0, 200)
  let kills = 0
  for (let writes = 1; ; writes += 1 + Math.floor(random() * writes)) {
    const server = launch(settings)
    if (await killedAtWrite(server, join(folder, 'test.db-wal'), writes)) {
      kills++
      continue
    }
    const url = await server.listening
    for (const one of talks) await checkTalk(url, one)
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
    expect(kills).toBeGreaterThan(2)
    return expectSound(folder)
  }
})

test('F7 a server that is killed while it puts its log into the file has lost nothing', async ({ skip }) => {
  if (!canTrace) return skip(noTrace)
  const { llm, settings, folder } = await arrange()
  const file = join(folder, 'test.db')
  const server = await startProcess(settings)
  const [first, second] = await Promise.all(['short one', 'short two'].map((input) => talkAlone(server, input)))
  await Promise.all([first!, second!].flatMap(({ readers }) => readers.map(({ ended }) => ended)))
  const held = llm.hold()
  const going = await talkAlone(server, 'short three')
  await llm.received(5)
  held.push('I begin ')
  for (const { until } of going.readers) await until((seen) => seen.some(({ text }) => text.includes('I begin ')))
  // Nothing but a checkpoint writes to it; one comes as soon as nobody writes to the log.
  await injectFault(server.child.pid!, 'pwrite64:signal=SIGKILL:when=5', file)
  expect(await server.exited).toMatchObject({ signal: 'SIGKILL', stderr: '' })

  const next = await startProcess(settings)
  const fates = await Promise.all([first!, second!, going].map((one) => checkTalk(next.url, one)))
  expect(fates.map(({ fate }) => fate)).toEqual(['undisturbed', 'undisturbed', 'went on'])
  expect(await next.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  expectSound(folder)
})

/** Two members of a new group, one step each. */
async function talkAlone({ api, url }: ServerProcess, input: string): Promise<Talk> {
  return await talk(url, { groupId: await groupOf(api, 2, {}, 2), input, tokens: true, readers: 2 })
}

/** A database, a model that survives the server, and a random number generator whose seed is told when the test fails. */
async function arrange() {
  const seed = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000)
  onTestFailed(() => console.error(`The random moments were those of CRASH_SEED=${seed}`))
  const random = randomFrom(seed)
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  llm.script((body) => answerTo(body, random))
  const folder = tempFolder()
  const settings = {
    DATABASE_URL: `file:${join(folder, 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ROUNDTABLE_DEMO_TOKEN_MS: '1',
  }
  return { llm, random, settings, folder }
}

/**
 * Four groups talk at once, each with two readers: token by token, step by step, on the built-in model, and one that is soon at
 * its end. The server is killed when all readers together have seen `frames` frames; for 0, when the first request was accepted.
 */
async function liveUntil(server: ServerProcess, life: number, frames: number): Promise<Talk[]> {
  const { api, url } = server
  const wordy = { include_base_tools: true, memory_blocks: [{ label: 'human', value: 'Nobody yet.' }] }
  const groups = await Promise.all([
    groupOf(api, 3, wordy, 12),
    groupOf(api, 2, wordy, 12),
    groupOf(api, 2, { model: 'demo/chat' }, 6),
    groupOf(api, 2, {}, 2),
  ])
  let left = frames
  let killed: Promise<unknown> | undefined
  const kill = () => (killed ??= server.kill('SIGKILL'))
  const asked = groups.map(async (groupId, index) => {
    const input = index === 3 ? `short ${life}` : `Tell me about number ${life} ✓`
    const onFrame = () => void (--left === 0 && kill())
    const begun = await talk(url, { groupId, input, tokens: index !== 1, readers: 2, onFrame }).catch((error: unknown) => {
      // Who was not answered before the kill was promised nothing.
      if (!killed) throw error
    })
    if (begun && frames === 0) await kill()
    return begun
  })
  const talks = (await Promise.all(asked)).filter((begun) => begun !== undefined)
  const ends = await Promise.all(talks.flatMap(({ readers }) => readers.map(({ ended }) => ended)))
  expect(ends).toContain('cut')
  expect(killed, `all streams ended by themselves. ${server.stderr}`).toBeDefined()
  await killed
  return talks
}

async function groupOf({ agent, post }: ServerProcess['api'], size: number, create: object, turns: number): Promise<string> {
  const names = ['ana', 'ben', 'cleo'].slice(0, size)
  const agents = await Promise.all(names.map((name) => agent({ name, ...create })))
  const manager_config = { manager_type: 'round_robin', max_turns: turns }
  const group = await post<{ id: string }>('/v1/groups/', {
    agent_ids: agents.map(({ id }) => id),
    description: 'a test',
    manager_config,
  })
  return group.id
}

/** Every third answer is a call, and what follows it is words; a short one when that is asked for. */
function answerTo(body: { messages: { role: string; content?: unknown }[] }, random: () => number): Answer {
  if (body.messages.some(({ role, content }) => role === 'user' && String(content).startsWith('short')))
    return { text: 'As you like it.' }
  const reasoning = 'Let me think … about that, «twice».'
  if (body.messages.at(-1)?.role !== 'tool' && random() < 0.33) {
    const args = JSON.stringify({ label: 'human', new_string: `Likes 🐙 and ${random()}.` })
    return { reasoning, toolCalls: [{ id: `call_${random()}`, name: 'memory_insert', arguments: args }] }
  }
  const words = Array.from(
    { length: 5 + Math.floor(random() * 60) },
    (_, index) => ['größer ', 'als\n\n', '🐙 ', '"x" ', 'data: '][index % 5],
  )
  return { reasoning, text: words.join('') }
}

async function expectUsable({ api }: ServerProcess, groupId: string) {
  const answer = await api.post<{ stop_reason: unknown }>(`/v1/groups/${groupId}/messages`, { input: 'short', max_steps: 1 })
  expect(answer.stop_reason).toMatchObject({ stop_reason: 'max_steps' })
}

/** Kills it when the file has been written to so often. @returns false when it listened before that */
async function killedAtWrite(server: ReturnType<typeof launch>, file: string, writes: number): Promise<boolean> {
  let left = writes
  const watcher = watch(file, () => void (--left === 0 && server.kill('SIGKILL')))
  try {
    const first = await Promise.race([server.listening, server.exited])
    if (typeof first === 'string' && left > 0) return false
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL', stderr: '' })
    return true
  } finally {
    watcher.close()
  }
}

/** The file itself, when nobody has it open. */
function expectSound(folder: string) {
  const db = new Database(join(folder, 'test.db'), { readonly: true })
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(db.pragma('foreign_key_check')).toEqual([])
    expect(db.prepare<[], Pick<Run, 'id'>>(`SELECT id FROM runs WHERE status IN ('created', 'running')`).all()).toEqual([])
    expect(db.prepare('SELECT * FROM busy').all()).toEqual([])
    // The log's head holds what belongs to open runs; its newest row stays, so that ids rise.
    expect(db.prepare('SELECT id FROM log').all().length).toBeLessThanOrEqual(1)
  } finally {
    db.close()
  }
}

const hashOf = (frames: string[]) => createHash('sha256').update(frames.join('')).digest('hex')

/** mulberry32: 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296
  }
}
