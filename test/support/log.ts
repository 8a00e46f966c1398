import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openSqlite } from '../../src/db/sqlite.ts'
import type { Store } from '../../src/db/store.ts'
import { readFrame, splitFrames } from '../../src/stream/frame.ts'
import { RunLog, type RunLogOptions } from '../../src/stream/log.ts'
import type { Page, Show } from '../../src/stream/page.ts'
import { ping } from '../../src/stream/sse.ts'
import { tail } from '../../src/stream/tail.ts'
import { newId } from '../../src/wire/id.ts'
import { type Frame, wireDate } from '../../src/wire/message.ts'
import { plainAdmission } from './admission.ts'
import { tempFolder } from './server.ts'

const TENANT = 'org-test'
const migrations = new URL('../../migrations/sqlite', import.meta.url).pathname

export interface TestRun {
  id: string
  seq: number
}

/** A store in a file of its own, with a log over it and runs that need no loop. */
export async function testLog(options: RunLogOptions = {}, file = join(tempFolder(), 'log.db')) {
  const store = openSqlite(`file:${file}`, migrations)
  await store.ensureTenant(TENANT)
  const log = new RunLog(store, options)
  await log.recover((await store.takeOverRuns()).map(({ seq }) => seq))
  onTestFinished(() => store.close())
  return {
    store,
    log,
    begin: () => begin(store, log),
    end: (run: TestRun) => endRun(store, log, run),
    /** What a crash leaves is what the file holds at that moment: a copy of it is opened. */
    crash() {
      const copy = join(tempFolder(), 'log.db')
      for (const suffix of ['', '-wal']) if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix)
      return testLog(options, copy)
    },
  }
}

async function begin(store: Store, log: RunLog): Promise<TestRun> {
  const id = newId('run')
  const run = {
    id,
    agentId: 'agent-x',
    groupId: null,
    background: false,
    runType: 'test',
    createdAt: 0,
    admission: plainAdmission(),
  }
  return {
    id,
    seq: await log.begin([ping(id)], (frames) =>
      store.admitRun(TENANT, run, { targets: [id], inputs: [], frames, answering: [] }),
    ),
  }
}

function endRun(store: Store, log: RunLog, { id, seq }: TestRun) {
  const end = {
    status: 'completed' as const,
    stopReason: 'end_turn' as const,
    endedBy: null,
    error: null,
    completedAt: 1,
    firstFrameMs: null,
    durationMs: 1,
  }
  return log.end(seq, [{ message_type: 'stop_reason', stop_reason: 'end_turn', run_id: id }], (last) =>
    store.endRun(id, end, last),
  )
}

/** A message with a text, as the loop would yield it. */
export const said = (content: string): Frame => ({
  id: 'message-1',
  date: wireDate(0),
  name: 'ana',
  message_type: 'assistant_message',
  otid: '1',
  sender_id: null,
  step_id: null,
  is_err: null,
  seq_id: null,
  run_id: 'run-1',
  content,
})

/** Everything a reader gets, as one text. */
export async function readAll(log: RunLog, run: TestRun, after = 0): Promise<string> {
  let text = ''
  for await (const page of reader(log, run, after)) text += page.text
  return text
}

/** The same as pages, each shown when it is asked for. */
export const reader = (log: RunLog, { seq }: TestRun, after = 0, signal = new AbortController().signal): AsyncGenerator<Page> =>
  pulled((show) => tail(log, seq, after, { silenceMs: 60_000, signal }, show))

/** What is shown, as something to pull at: whoever shows it waits with the next page until it is asked for. */
export async function* pulled<P extends Page>(follow: (show: Show<P>) => Promise<void>): AsyncGenerator<P, void, void> {
  let shown = Promise.withResolvers<P>()
  let taken = Promise.withResolvers<void>()
  const end = follow((page) => {
    shown.resolve(page)
    return taken.promise
  }).then(() => undefined)
  for (;;) {
    const page = await Promise.race([shown.promise, end])
    if (!page) return
    yield page
    shown = Promise.withResolvers()
    const last = taken
    taken = Promise.withResolvers()
    last.resolve()
  }
}

/** The numbers in the `id:` lines. */
export const idsOf = (text: string): number[] => splitFrames(text).map((frame) => Number(/^id: (\d+)\n/.exec(frame)?.[1]))

/** The numbers inside the JSON; `[DONE]` has none. */
export const seqsOf = (text: string): number[] => splitFrames(text).flatMap((frame) => readFrame(frame)?.seq_id ?? [])

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
