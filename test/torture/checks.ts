import Database from 'better-sqlite3'
import { Folding } from '../../src/stream/fold.ts'
import { readFrame, splitFrames } from '../../src/stream/frame.ts'
import type { LettaMessage, ToolCall } from '../../src/wire/message.ts'
import type { Run } from '../../src/wire/run.ts'
import { hashOf, type Kind, type Witness } from './client.ts'
import { marksIn } from './model.ts'
import type { World } from './world.ts'

/*
 * The history checker (faults.md §6): what clients saw, what the model and the tools were asked, and what is stored, held
 * against each other once all is over.
 */

/** What the model said, as it is listed. */
interface Recorded {
  speaker: string
  isErr: boolean
}

/** @returns what it has counted */
export async function checkHistory(url: string, world: World, witnesses: Witness[]): Promise<Record<string, number>> {
  const runs = await settled(url, world)
  const counts = { runs: runs.length, messages: 0, 'went on': 0, 'given up': 0, cancelled: 0, 'waited for answers': 0 }
  const recorded = new Map<string, Recorded>()
  const calls = new Map<string, LettaMessage>()
  const returned = new Map<string, 'success' | 'error'>()
  const byRun = Map.groupBy(witnesses, ({ runId }) => runId)
  for (const run of runs) {
    const wrong = (what: string) =>
      world.violated(`${run.id} (${JSON.stringify(run.metadata?.['manager_type'] ?? 'agent')}, ${run.stop_reason}): ${what}`)
    const seen = byRun.get(run.id)?.[0]
    const frames = await framesOf(url, run.id, wrong)
    const end = checkEnd(frames, run, wrong)
    const events = frames
      .flatMap((frame) => readFrame(frame) ?? [])
      .filter(({ message_type: type }) => type === 'event_message')
    if (events.length > 0) counts['went on']++
    if (end === 'given up') {
      counts['given up']++
      if (seen && world.counts.kills - seen.killsBefore < 3) wrong('given up, but the server was not killed three times')
    } else if (end === 'failed') wrong(`failed: ${frames.at(-2)}`)
    if (run.status === 'cancelled') counts.cancelled++
    if (run.stop_reason === 'requires_approval') counts['waited for answers']++
    for (const [id, hash] of seen?.seen ?? []) {
      const stored = frames[id - 1]
      if (stored === undefined || hashOf(stored) !== hash) wrong(`a client saw frame ${id}, and it is not stored like that`)
    }
    const listed = await all<LettaMessage>(url, `/v1/runs/${run.id}/messages?order=asc`)
    counts.messages += listed.length
    checkListed(frames, listed, run, wrong)
    for (const message of listed) {
      for (const call of callsIn(message)) calls.set(call.tool_call_id, message)
      if (message.message_type === 'tool_return_message')
        for (const one of message.tool_returns ?? []) returned.set(one.tool_call_id, one.status)
      if (message.message_type !== 'assistant_message') continue
      note(world, run, message, recorded, wrong)
    }
  }
  for (const { runId } of witnesses)
    if (!runs.some(({ id }) => id === runId)) world.violated(`${runId} was accepted and is not there`)
  await checkInputs(url, world, witnesses)
  checkAsked(world, recorded, witnesses)
  checkEffects(world, calls, returned)
  return { ...counts, answers: recorded.size, bookings: new Set(world.effects.map(({ key }) => key)).size }
}

/** All runs, once none of them is open any more. */
async function settled(url: string, world: World): Promise<Run[]> {
  const until = performance.now() + 30_000
  for (;;) {
    const open = await get<Run[]>(url, '/v1/runs/?active=true&limit=100')
    if (open.length === 0) return await all<Run>(url, '/v1/runs/?order=asc')
    if (performance.now() > until) {
      for (const { id, status } of open) world.violated(`${id} is still ${status}`)
      return (await all<Run>(url, '/v1/runs/?order=asc')).filter(({ completed_at: at }) => at !== null)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

type Wrong = (what: string) => void

/** The whole stream, numbered without a gap (streaming.md §A.1, I1). */
async function framesOf(url: string, runId: string, wrong: Wrong): Promise<string[]> {
  const response = await fetch(`${url}/v1/runs/${runId}/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"starting_after": 0}',
  })
  const frames = splitFrames(await response.text()).filter((frame) => frame.startsWith('id: '))
  const gap = frames.findIndex((frame, at) => !frame.startsWith(`id: ${at + 1}\n`))
  if (gap !== -1) wrong(`frame ${gap + 1} of its stream is ${frames[gap]}`)
  return frames
}

/** One terminal sequence, last, that says what the run's row says (P4). */
function checkEnd(frames: string[], run: Run, wrong: Wrong): 'ended' | 'given up' | 'failed' {
  const messages = frames.map(readFrame)
  const types = messages.map((message) => message?.message_type ?? '[DONE]')
  const ending = new Set<string>(['stop_reason', 'usage_statistics', 'error_message', '[DONE]'])
  const early = types.slice(0, -3).find((type) => ending.has(type))
  if (early !== undefined) wrong(`${early} in the middle of its stream`)
  const last = types.slice(-3).join(' ')
  const failed = last === 'stop_reason error_message [DONE]'
  if (!failed && last !== 'stop_reason usage_statistics [DONE]') wrong(`its stream ends with ${last}`)
  const stop = messages.at(-3)
  if (stop?.message_type !== 'stop_reason') return 'failed'
  // One that waited for an answer may be cancelled later; its stream had ended before.
  const late = stop.stop_reason === 'requires_approval' && run.status === 'cancelled'
  if (!late && stop.stop_reason !== run.stop_reason) wrong(`its stream says ${stop.stop_reason}`)
  const expected = {
    end_turn: 'completed',
    cancelled: 'cancelled',
    error: 'failed',
    requires_approval: late ? 'cancelled' : 'completed',
  }
  const status = expected[stop.stop_reason as keyof typeof expected]
  if (run.status !== status) wrong(`it is ${run.status}`)
  if (!failed) return 'ended'
  const error = messages.at(-2)
  return error?.message_type === 'error_message' && error.error_type === 'stream_task_cancelled' ? 'given up' : 'failed'
}

/** Rows and frames say the same: what was withdrawn is in neither. */
function checkListed(frames: string[], listed: LettaMessage[], run: Run, wrong: Wrong) {
  const folding = new Folding()
  for (const frame of frames) {
    const message = readFrame(frame)
    if (message) folding.add(message)
  }
  const { messages, stopReason } = folding.result()
  const shown = new Map(
    messages.filter(({ message_type: type }) => type !== 'event_message').map((one) => [keyOf(one), plain(one)]),
  )
  // What a cancel denies while it waits is listed, but its stream was over.
  const denied = stopReason?.stop_reason === 'requires_approval' && run.status === 'cancelled'
  for (const message of listed) {
    if (['user_message', 'approval_response_message', 'system_message'].includes(message.message_type)) continue
    const said = shown.get(keyOf(message))
    if (said === undefined && denied && message.message_type === 'tool_return_message') continue
    if (said === undefined) wrong(`listed and not streamed: ${plain(message)}`)
    else if (said !== plain(message)) wrong(`listed as ${plain(message)}, streamed as ${said}`)
    shown.delete(keyOf(message))
  }
  for (const said of shown.values()) wrong(`streamed and not listed: ${said}`)
}

const keyOf = ({ id, otid, message_type: type }: LettaMessage) => otid ?? `${id} ${type}`
const plain = (message: LettaMessage) => {
  const entries = Object.entries({ ...message, seq_id: null, is_err: null })
  return JSON.stringify(Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

const callsIn = (message: LettaMessage): ToolCall[] =>
  message.message_type === 'tool_call_message' || message.message_type === 'approval_request_message'
    ? (message.tool_calls as ToolCall[])
    : []

/** An answer is one answer, whole unless it was cut off, and there once (P8). */
function note(
  world: World,
  run: Run,
  message: Extract<LettaMessage, { message_type: 'assistant_message' }>,
  recorded: Map<string, Recorded>,
  wrong: Wrong,
) {
  const text = textOf(message)
  const [mark, ...more] = marksIn(text)
  if (mark === undefined || more.length > 0 || !text.startsWith(mark)) return wrong(`not one answer: ${text}`)
  if (recorded.has(mark)) wrong(`${mark} is there twice`)
  const isErr = message.is_err === true
  recorded.set(mark, { speaker: message.name!, isErr })
  const asked = world.model.asked[Number(mark.slice(2, -1))]!
  if (asked.speaker !== message.name) wrong(`${mark} was said by ${asked.speaker}, and is listed of ${message.name}`)
  const cut = isErr || run.status === 'cancelled'
  if (cut ? !asked.text.startsWith(text) : asked.text !== text) wrong(`${mark} was "${asked.text}", and is "${text}"`)
}

const textOf = ({ content }: { content: unknown }) => (typeof content === 'string' ? content : JSON.stringify(content))

/** Every message that was accepted is listed, once (P1). */
async function checkInputs(url: string, world: World, witnesses: Witness[]) {
  for (const [path, runs] of Map.groupBy(witnesses, ({ partner }) => partner.path)) {
    const listed = await all<LettaMessage>(url, `${path}?order=asc`)
    const said = listed.flatMap((message) => (message.message_type === 'user_message' ? [textOf(message)] : []))
    const wanted = runs.flatMap(({ input }) => input ?? [])
    for (const input of wanted) {
      const times = said.filter((one) => one === input).length
      if (times !== 1) world.violated(`"${input}" was accepted, and is listed ${times} times in ${path}`)
    }
    for (const one of said)
      if (!wanted.includes(one)) world.violated(`"${one}" is listed in ${path}, and nobody was told of it`)
  }
}

/** Where all hear all, one after the other. */
const open = new Set<Kind>(['round_robin', 'swarm'])

/**
 * A step that is recorded is not asked for again: every later request of its speaker shows it, and nothing else is ever shown
 * (P8). In a group that speaks in turn all others hear it, too.
 */
function checkAsked(world: World, recorded: Map<string, Recorded>, witnesses: Witness[]) {
  const circles = new Map<string, string[]>()
  for (const { partner } of witnesses)
    if (open.has(partner.kind)) for (const name of partner.members) circles.set(name, partner.members)
  const saidBy = new Map<string, string[]>()
  for (const { speaker, mark, shown } of world.model.asked) {
    for (const member of circles.get(speaker) ?? [speaker]) {
      for (const said of saidBy.get(member) ?? []) {
        if (!shown.has(said)) world.violated(`${speaker} was asked for ${mark} without ${said}, which ${member} had said`)
      }
    }
    for (const one of shown) {
      const said = recorded.get(one)
      if (!said || said.isErr) world.violated(`${speaker} was shown ${one} when asked for ${mark}, and it does not count`)
    }
    const own = recorded.get(mark)
    if (own && !own.isErr) saidBy.set(speaker, [...(saidBy.get(speaker) ?? []), mark])
  }
}

/** A tool has its effects once for each key, and a recorded call one key (P8, F5). */
function checkEffects(world: World, calls: Map<string, LettaMessage>, returned: Map<string, 'success' | 'error'>) {
  const keys = new Map<string, Set<string>>()
  for (const { key, note: mark } of world.effects) keys.set(mark, (keys.get(mark) ?? new Set()).add(key))
  for (const [mark, all_] of keys) {
    const id = `call_${mark.slice(1, -1)}`
    const call = calls.get(id)
    if (!call) world.violated(`${mark} was booked, and no such call is recorded`)
    else if ([...all_].join(' ') !== `${call.step_id}/${id}`) world.violated(`${mark} was booked with ${[...all_].join(' ')}`)
  }
  for (const [id, message] of calls) {
    const booked = callsIn(message).some((call) => call.tool_call_id === id && call.name === 'book')
    if (booked && returned.get(id) === 'success' && !keys.has(`⟦${id.slice(5)}⟧`))
      world.violated(`${id} has a result, and was not booked`)
    if (!returned.has(id) && message.message_type === 'tool_call_message')
      world.violated(`${id} of ${message.name} in ${message.run_id} has no result`)
  }
}

/** The file, when nobody has it open: sound, and nothing in it is left of any run (P7). */
export function checkFile(world: World): void {
  const db = new Database(world.file, { readonly: true })
  const none = (what: string, sql: string) => {
    const rows = db.prepare(sql).all()
    if (rows.length > 0) world.violated(`${what}: ${JSON.stringify(rows.slice(0, 5))}`)
  }
  try {
    const integrity = db.pragma('integrity_check', { simple: true })
    if (integrity !== 'ok') world.violated(`integrity_check: ${String(integrity)}`)
    none('foreign_key_check', 'SELECT * FROM pragma_foreign_key_check')
    none('open runs', `SELECT id, status FROM runs WHERE status IN ('created', 'running')`)
    none('runs with a lease', 'SELECT id, epoch FROM runs WHERE epoch IS NOT NULL')
    none('leases', 'SELECT * FROM leases')
    none('busy', 'SELECT * FROM busy')
    none(
      'two steps at one place',
      `SELECT run_id, turn, place, kind, count(*) n FROM steps WHERE status = 'success' GROUP BY 1, 2, 3, 4 HAVING n > 1`,
    )
    // The log's head holds what belongs to open runs; its newest row stays, so that ids rise.
    none('unsealed frames', 'SELECT id FROM log ORDER BY id DESC LIMIT -1 OFFSET 1')
  } finally {
    db.close()
  }
}

async function get<T>(url: string, path: string): Promise<T> {
  const response = await fetch(url + path)
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

/** All pages of a list. */
async function all<T extends { id: string }>(url: string, path: string): Promise<T[]> {
  const found: T[] = []
  for (;;) {
    const last = found.at(-1)
    const page = await get<T[]>(url, `${path}&limit=100${last ? `&after=${last.id}` : ''}`)
    found.push(...page)
    if (page.length === 0 || found.at(-1)?.id === last?.id) return found
  }
}
