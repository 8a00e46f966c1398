import type { MessageRow, NewRun, RunEnd, RunError, RunRow, Store } from '../db/store.ts'
import { asRefusal, Cancelled, Interrupted, Suspended } from '../errors.ts'
import { logger } from '../logger.ts'
import { expand } from '../stream/expand.ts'
import { readFrame, splitFrames } from '../stream/frame.ts'
import type { RunLog } from '../stream/log.ts'
import { ping } from '../stream/sse.ts'
import type { Frame, LettaMessage } from '../wire/message.ts'
import { statusOf, type StopReasonType } from '../wire/run.ts'
import { afterwardsOf } from './background.ts'
import { chatOf } from './chat.ts'
import { unshownSummaries } from './context.ts'
import { stepRetry } from './events.ts'
import { Journal, otidsOf } from './journal.ts'
import { managers } from './managers/index.ts'
import type { Ending } from './managers/manager.ts'
import { openCalls } from './returns.ts'
import type { Scene } from './scene.ts'
import { stepRetries } from './step-retries.ts'
import { totalUsage } from './usage.ts'
import type { RunWatcher } from './watcher.ts'

export interface ExecutionOptions extends Pick<Scene, 'store' | 'providers' | 'tools' | 'approvalExpiryMs'> {
  log: RunLog
  watcher: RunWatcher
  /** How often a model that failed half-way is asked again. */
  stepRetries: number
  /** Told of the background runs that one has left, before its reader is. */
  follow: (runs: NewRun[], tenant: string) => Promise<void>
}

/** A run whose process died so often over the same step is given up (design §5 row 7). */
const MAX_CRASHES = 3

/**
 * Drives a run's manager to its end. Nothing here depends on who reads. A run that an earlier process has worked on is played
 * from the top over its journal; what a step that was cut off had shown is withdrawn (design §5 row 7).
 *
 * @param signal aborts with {Cancelled}, which ends the run, or {Suspended}, which leaves it as it is for the next process
 */
export async function execute(run: RunRow, options: ExecutionOptions, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now()
  const timing: Timing = { durationMs: 0, firstFrameMs: null }
  let scene: Scene | undefined
  let ending: Ending & { error?: RunError }
  try {
    const show: Scene['show'] = (messages) => {
      timing.firstFrameMs ??= performance.now() - startedAt
      return options.log.append(run.seq, messages)
    }
    scene = { ...(await takeUp(run, options, signal)), show }
    if (run.crashes >= MAX_CRASHES) throw new Interrupted(run.crashes)
    ending = await managers[run.admission.manager](chatOf(scene))
  } catch (error) {
    // Or what a full disk has kept until then from being stored.
    if (signal.reason instanceof Suspended) return
    ending = error instanceof Cancelled ? cancelled : failed(error)
  }
  timing.durationMs = performance.now() - startedAt
  await endRun(run, ending, options, { timing, ...(scene && { journal: scene.journal }) })
}

/** What an earlier process has left of a run is put in order; for a new one there is nothing. */
async function takeUp(run: RunRow, options: ExecutionOptions, signal: AbortSignal): Promise<Omit<Scene, 'show'>> {
  const { store, log, providers, tools, approvalExpiryMs, watcher } = options
  const { tenant, admission } = run
  const steps = await store.journalOf([...admission.continues, run.id])
  const { last } = (await log.position(run.seq))!
  if (last === 0) await log.append(run.seq, [ping(run.id)])
  // Of a new one there is the ping alone.
  const shown = last > 1 ? await shownBefore(log, run.seq) : []
  const resumed = run.crashes > 0 || last > 1
  const late = withdrawals(run.id, shown, new Set(steps.map(({ id }) => id)))
  if (resumed && admission.request.include_compaction_messages) late.push(...(await unshownSummaries(store, run, shown)))
  if (late.length > 0) await log.append(run.seq, late)
  const journal = new Journal(run.id, steps, {
    maxSteps: admission.request.max_steps,
    retries: stepRetries(options.stepRetries, signal),
    async commit(step, { rows, messages, pending }) {
      try {
        await log.commit(run.seq, messages, (frames) => store.commitStep({ ...step, tenant }, rows, frames, pending))
      } catch (error) {
        // It is listed nowhere, so a stream must not go on saying it (faults.md F14).
        const [otids, reason] = [otidsOf(rows), asRefusal(error).message]
        const stays = signal.reason instanceof Suspended || otids.length === 0
        if (!stays) await log.append(run.seq, [stepRetry(run.id, { step_id: step.id, otids, reason })])
        throw error
      }
      if (step.kind === 'call') watcher.stepEnded(step)
    },
  })
  return { ...run, runId: run.id, store, providers, tools, journal, resumed, approvalExpiryMs, signal }
}

export const cancelled: Ending = { stop: 'cancelled', endedBy: null }

type Ended = Pick<RunRow, 'id' | 'seq' | 'tenant' | 'groupId' | 'agentId' | 'admission'>
type Timing = Pick<RunEnd, 'durationMs' | 'firstFrameMs'>

interface EndOptions {
  timing?: Timing
  /** Of a run that has begun. */
  journal?: Journal
  /** What one that has not begun was asked. */
  unsaid?: MessageRow[]
}

/** The one terminal sequence, in one transaction with the run's status (design §5 row 8). */
export async function endRun(
  run: Ended,
  { stop, endedBy, error }: Ending & { error?: RunError },
  { store, log, watcher, follow }: Pick<ExecutionOptions, 'store' | 'log' | 'watcher' | 'follow'>,
  { timing = { durationMs: 0, firstFrameMs: null }, journal, unsaid }: EndOptions = {},
): Promise<void> {
  const status = statusOf(stop)
  const after = status === 'completed' && stop !== 'requires_approval' ? await afterwards(store, run) : undefined
  const background = after?.runs ?? []
  const closing = inOrder.has(stop) ? [] : await openCalls(store, run, error ? 'the run failed' : 'the run ended')
  const last: Frame[] = closing.flatMap((row): Frame[] => expand(row))
  last.push({ message_type: 'stop_reason', stop_reason: stop, run_id: run.id })
  if (error) {
    const { error_type, message } = error
    last.push({ message_type: 'error_message', run_id: run.id, error_type, message, detail: message, seq_id: null })
  } else {
    const ids = [run.id, ...background.map(({ id }) => id)]
    last.push({ ...totalUsage(journal?.usages ?? []), run_ids: ids, run_id: run.id })
  }
  const end: RunEnd = { status, stopReason: stop, endedBy, error: error ?? null, completedAt: Date.now(), ...timing }
  await log.end(run.seq, last, async (segment) => {
    const ended = await store.endRun(run.id, end, segment, { after, closing, unsaid: unsaid ?? [] })
    // Before a reader learns of them: they can be followed at once.
    await follow(background, run.tenant)
    return ended
  })
  watcher.runEnded(run, end, journal?.usages ?? [])
}

/** Ends at which every call has its result, or waits for it. */
const inOrder = new Set<StopReasonType>(['end_turn', 'tool_rule', 'requires_approval'])

/** Background work must not hurt what was said (design §5 row 17). */
async function afterwards(store: Store, run: Ended) {
  try {
    return await afterwardsOf(store, run)
  } catch (failure) {
    logger.error({ err: failure, run: run.id }, 'The work after a run could not be planned')
    return undefined
  }
}

/** How an error ends a run, and what it says to one who asked for JSON. */
export function failed(error: unknown): Ending & { error: RunError } {
  const refusal = asRefusal(error)
  if (refusal !== error) logger.error({ err: error }, 'A run failed inside the server')
  const { status, stopReason, errorType, message } = refusal
  return { stop: stopReason, endedBy: null, error: { status, body: refusal.body(), error_type: errorType, message } }
}

/** Everything that the log holds of a run that goes on. */
async function shownBefore(log: RunLog, number: number): Promise<Frame[]> {
  const frames: Frame[] = []
  for (let after = 0; ;) {
    const page = await log.read(number, after)
    if (!page || page.text === '') return frames
    frames.push(...splitFrames(page.text).flatMap((text) => readFrame(text) ?? []))
    after = page.last
  }
}

/** Takes back what steps have shown that were never recorded. */
function withdrawals(runId: string, shown: Frame[], recorded: Set<string>): LettaMessage[] {
  const lost = new Map<string, Set<string>>()
  for (const message of shown) {
    if (message.message_type === 'event_message') {
      if (message.event_type === 'step_retry') lost.delete(String(message.event_data['step_id']))
      continue
    }
    // A summary stands by itself: it was stored when it was made.
    if (!('otid' in message) || !message.step_id || !message.otid || message.message_type === 'summary_message') continue
    if (recorded.has(message.step_id)) continue
    if (!lost.has(message.step_id)) lost.set(message.step_id, new Set())
    lost.get(message.step_id)!.add(message.otid)
  }
  return [...lost].map(([step_id, otids]) =>
    stepRetry(runId, { step_id, otids: [...otids], reason: 'The server was stopped within this step; it is made again' }),
  )
}
