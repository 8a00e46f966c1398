import type { PendingApproval, RunEnd, RunError, RunRow, Store } from '../db/store.ts'
import {
  asRefusal,
  Cancelled,
  Conflict,
  Interrupted,
  InvalidArgument,
  RunBusy,
  ShuttingDown,
  StorageTrouble,
} from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import { logger } from '../logger.ts'
import type { RunLog } from '../stream/log.ts'
import { ping } from '../stream/sse.ts'
import type { ToolSource } from '../tools/tool.ts'
import { newId } from '../wire/id.ts'
import type { Frame } from '../wire/message.ts'
import type { SendRequest } from '../wire/request.ts'
import { statusOf } from '../wire/run.ts'
import {
  answeredIds,
  answerTo,
  askAgent,
  type Asked,
  askGroup,
  hearersOf,
  isAnswer,
  refusePending,
  targetsOf,
} from './admission.ts'
import { denialRows } from './approvals.ts'
import { afterwardsOf } from './background.ts'
import { chatOf } from './chat.ts'
import type { ResolveImages } from './images.ts'
import { inputRows } from './inputs.ts'
import { Journal } from './journal.ts'
import { managers } from './managers/index.ts'
import type { Ending } from './managers/manager.ts'
import type { Scene } from './scene.ts'
import { totalUsage } from './usage.ts'
import type { RunWatcher } from './watcher.ts'

export interface RunsOptions {
  store: Store
  log: RunLog
  providers: Providers
  tools: ToolSource
  resolveImages: ResolveImages
  watcher: RunWatcher
  /** What runs may take to end when the server goes down. */
  shutdownMs: number
  /** Until a call that waits for an answer is given up; undefined = never. */
  approvalExpiryMs: number | undefined
}

/**
 * Owns every run from its admission to its one terminal sequence. A run is not tied to a connection: who sent it, who reads it
 * and whether anybody does makes no difference to it (design §3, §4).
 */
export class Runs {
  readonly #options: RunsOptions
  readonly #live = new Map<string, { run: Executed; abort: AbortController; ended: Promise<void> }>()
  /** Background runs that wait until their agent is free, oldest first. */
  #waiting: RunRow[] = []
  #handling: Promise<unknown> = Promise.resolve()
  #closing = false

  constructor(options: RunsOptions) {
    this.#options = options
  }

  /** @throws {NotFound} {RunBusy} {InvalidArgument} …: whatever can be refused is refused here, before a head is sent */
  async sendToGroup(tenant: string, groupId: string, request: SendRequest): Promise<RunRow> {
    const { store } = this.#options
    const group = await store.findGroup(tenant, groupId)
    if (isAnswer(request)) return await this.#answer(tenant, { group: groupId }, request)
    return await this.#admit(await askGroup(store, tenant, group, request))
  }

  /** @throws as sendToGroup */
  async sendToAgent(tenant: string, agentId: string, request: SendRequest): Promise<RunRow> {
    const { store } = this.#options
    if (!isAnswer(request)) return await this.#admit(await askAgent(store, tenant, agentId, request))
    await store.findAgent(tenant, agentId)
    return await this.#answer(tenant, { agent: agentId }, request)
  }

  /**
   * Ends a run with `cancelled`, soon; its finished steps and its input are kept. One that waits for an answer is cancelled by
   * denying its calls.
   *
   * @returns false when it had ended already
   */
  async cancel(tenant: string, runId: string): Promise<boolean> {
    const { store } = this.#options
    const run = await store.findRun(tenant, runId)
    const live = this.#live.get(runId)
    if (live) {
      live.abort.abort(new Cancelled())
      await this.#options.log.unlessStuck(live.ended)
      return true
    }
    if (run.status === 'created') return await this.#inTurn(() => this.#forget(runId))
    if (run.stopReason !== 'requires_approval') return false
    const pending = await store.pendingApprovals(tenant, { run: runId })
    await this.#deny(tenant, pending, 'The user cancelled the request, so the tool call was denied.')
    await this.#startWaiting()
    return pending.length > 0
  }

  /**
   * Cancels the given runs, or all that an agent is working on.
   *
   * @returns how each stands then: `cancelled`, or `failed` for one that is unknown or not the agent's (streaming.md §4.12)
   * @throws {Conflict} when there is nothing to cancel
   */
  async cancelOf(tenant: string, agentId: string, runIds?: string[]): Promise<Record<string, 'cancelled' | 'failed'>> {
    const { store } = this.#options
    await store.findAgent(tenant, agentId)
    const live = [...this.#live.values()].filter(({ run }) => run.tenant === tenant && targetsOf(run).includes(agentId))
    const paused = await store.pendingApprovals(tenant, { agent: agentId })
    const cancellable = new Set([...live.map(({ run }) => run.id), ...paused.map(({ runId }) => runId)])
    const wanted = runIds ?? [...cancellable]
    if (wanted.length === 0) throw new Conflict('CONFLICT: No active runs to cancel')
    const ends = wanted.map(async (id) => {
      if (!cancellable.has(id)) return [id, 'failed'] as const
      await this.cancel(tenant, id)
      return [id, 'cancelled'] as const
    })
    return Object.fromEntries(await Promise.all(ends))
  }

  /** True when nothing new is taken any more. */
  get draining(): boolean {
    return this.#closing
  }

  /** How much there is to do. */
  get load(): { live: number; waiting: number } {
    return { live: this.#live.size, waiting: this.#waiting.length }
  }

  /** Resolves when a run that works in this process has ended; at once for any other. */
  async ended(runId: string): Promise<void> {
    await this.#live.get(runId)?.ended
  }

  /**
   * Ends what an earlier process left running, with an error that says so (streaming.md §A.1, I7), and starts what it left to
   * be done. Call once, before serving.
   */
  async recover(): Promise<void> {
    const { store, log } = this.#options
    const open = await store.openRuns()
    await log.recover(open.map(({ seq }) => seq))
    for (const run of open) {
      if (run.status === 'created') this.#waiting.push(run)
      else await this.#end(run, failed(new Interrupted()), { durationMs: 0, firstFrameMs: null })
    }
    await this.#startWaiting()
  }

  /** Takes no more, lets what is running come to its end for a while, then ends it. What has not begun is left for later. */
  async drain(): Promise<void> {
    this.#closing = true
    const late = setTimeout(() => {
      for (const { abort } of this.#live.values()) abort.abort(new Interrupted())
    }, this.#options.shutdownMs)
    await Promise.all([...this.#live.values()].map(({ ended }) => ended))
    clearTimeout(late)
  }

  /** The answers to calls that wait: the run that paused is taken up by a new one; given again, they lead to the same run. */
  async #answer(tenant: string, of: { group: string } | { agent: string }, request: SendRequest): Promise<RunRow> {
    const { store } = this.#options
    try {
      const [first] = await this.#pending(tenant, of)
      if (!first) throw new InvalidArgument('INVALID_ARGUMENT: No tool call is currently awaiting approval')
      // All that waits in a run is answered together, though it was asked by several members.
      const together = await store.pendingApprovals(tenant, { run: first.runId })
      return await this.#admit(answerTo(together, await store.findRun(tenant, first.runId), request))
    } catch (error) {
      if (!(error instanceof InvalidArgument || error instanceof Conflict || error instanceof RunBusy)) throw error
      const before = await store.answeredBy(tenant, of, answeredIds(request))
      if (before === undefined) throw error
      return await store.findRun(tenant, before)
    }
  }

  /** What waits for an answer; what has waited too long is denied first. */
  async #pending(tenant: string, of: { group: string } | { agent: string }): Promise<PendingApproval[]> {
    const { store } = this.#options
    const all = await store.pendingApprovals(tenant, of)
    const now = Date.now()
    const late = new Set(all.flatMap(({ expiresAt, runId }) => (expiresAt !== null && expiresAt <= now ? [runId] : [])))
    if (late.size === 0) return all
    for (const run of late) {
      const pending = await store.pendingApprovals(tenant, { run })
      await this.#deny(tenant, pending, 'Nobody answered in time, so the tool call was denied.').catch((error: unknown) => {
        // Somebody else has just done the same, or answered.
        if (!(error instanceof Conflict)) throw error
      })
    }
    return all.filter(({ runId }) => !late.has(runId))
  }

  async #deny(tenant: string, pending: PendingApproval[], reason: string): Promise<void> {
    if (pending.length === 0) return
    const { store } = this.#options
    const rows = await Promise.all(
      pending.map(async (one) => {
        const { name } = await store.findAgent(tenant, one.agentId)
        const { runId, stepId, agentId, groupId } = one
        const common = {
          id: '',
          runId,
          stepId,
          agentId,
          groupId,
          name,
          senderId: agentId,
          otid: null,
          isErr: false,
          heard: false,
        }
        return denialRows(one, { ...common, date: Date.now() }, reason)
      }),
    )
    await store.cancelApprovals(
      tenant,
      pending.map(({ id }) => id),
      rows.flat(),
    )
  }

  async #admit(asked: Asked): Promise<RunRow> {
    const { store, log, providers, resolveImages } = this.#options
    const { tenant, groupId, agentId } = asked
    const inputs = await resolveImages(asked.inputs)
    const admission = { ...asked.admission, followUps: await resolveImages(asked.admission.followUps) }
    if (admission.request.override_model) providers.resolve(admission.request.override_model)
    const hearers = hearersOf(asked)
    const run = { id: newId('run'), agentId, groupId, createdAt: Date.now() }
    const rows = inputs.flatMap((input) => inputRows(run, input, hearers))
    const { background, streaming } = admission.request
    const runType = streaming ? 'send_message_streaming' : 'send_message'
    const seq = await log.begin([ping(run.id)], async (frames) => {
      // Here nothing else is stored between the look and the admission, and nobody has begun to drain.
      if (this.#closing) throw new ShuttingDown()
      if (asked.answering.length === 0) for (const agent of hearers) refusePending(await this.#pending(tenant, { agent }))
      const admitted = { ...run, admission, background, runType }
      return await store.admitRun(tenant, admitted, targetsOf(asked), rows, frames, asked.answering)
    })
    if (groupId !== null) log.announce(groupId)
    this.#launch({ ...run, seq, tenant, admission })
    return await store.findRun(tenant, run.id)
  }

  #launch(run: Executed) {
    const abort = new AbortController()
    const work = async () => {
      try {
        await this.#execute(run, abort.signal)
      } catch (error) {
        logger.error({ err: error, run: run.id }, 'A run could not be ended')
      }
      this.#live.delete(run.id)
      await this.#startWaiting()
    }
    this.#live.set(run.id, { run, abort, ended: work() })
  }

  #await(run: RunRow) {
    this.#options.log.expect(run.seq)
    this.#waiting.push(run)
  }

  /** Starts every background run whose agent is free; the others are looked at again whenever a run ends. */
  async #startWaiting(): Promise<void> {
    await this.#inTurn(async () => {
      const waiting = this.#waiting.toSorted((a, b) => a.seq - b.seq)
      this.#waiting = []
      for (const run of waiting) {
        try {
          if (this.#closing || !(await this.#start(run))) this.#waiting.push(run)
        } catch (error) {
          await this.#end(run, failed(error), { durationMs: 0, firstFrameMs: null }).catch((failure: unknown) =>
            logger.error({ err: failure, run: run.id }, 'A run could not be ended'),
          )
        }
      }
    })
  }

  /** @returns false when the agent is not free: it speaks, or a call of it waits for an answer */
  async #start(run: RunRow): Promise<boolean> {
    const { store, log } = this.#options
    const { tenant, agentId: agent } = run
    if ((await this.#pending(tenant, { agent })).length > 0) return false
    const rows = run.admission.followUps.flatMap((input) => inputRows({ ...run, createdAt: Date.now() }, input, [agent]))
    try {
      await log.begin([ping(run.id)], async (frames) => ({
        seq: run.seq,
        logId: await store.startRun(run, [agent], rows, frames),
      }))
    } catch (error) {
      if (error instanceof RunBusy || error instanceof StorageTrouble) return false
      throw error
    }
    this.#launch(run)
    return true
  }

  /** Ends a background run that has not begun. */
  async #forget(runId: string): Promise<boolean> {
    const run = this.#waiting.find(({ id }) => id === runId)
    if (!run) return false
    this.#waiting = this.#waiting.filter((other) => other !== run)
    await this.#end(run, { stop: 'cancelled', endedBy: null }, { durationMs: 0, firstFrameMs: null })
    return true
  }

  /** One at a time handles the runs that wait. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#handling.then(work)
    this.#handling = done.catch(() => {})
    return await done
  }

  /** Drives the manager's generator to its end. Nothing here depends on who reads. */
  async #execute(run: Executed, signal: AbortSignal): Promise<void> {
    const { store, log, providers, tools, approvalExpiryMs, watcher } = this.#options
    const { tenant, admission } = run
    const startedAt = performance.now()
    const timing: Timing = { durationMs: 0, firstFrameMs: null }
    const steps = await store.journalOf([...admission.continues, run.id])
    const journal = new Journal(run.id, steps, admission.request.max_steps, async (step, { rows, messages, pending }) => {
      await log.commit(run.seq, messages, (frames) => store.commitStep({ ...step, tenant }, rows, frames, pending))
      if (step.kind === 'call') watcher.stepEnded(step)
    })
    const scene: Scene = { ...run, runId: run.id, store, providers, tools, journal, approvalExpiryMs, signal }
    let ending: Ending & { error?: RunError }
    try {
      const said = managers[admission.manager](chatOf(scene))
      let item = await said.next()
      while (!item.done) {
        timing.firstFrameMs ??= performance.now() - startedAt
        const full = log.append(run.seq, item.value)
        if (full) await full
        item = await said.next()
      }
      ending = item.value
    } catch (error) {
      ending = error instanceof Cancelled ? { stop: 'cancelled', endedBy: null } : failed(error)
    }
    timing.durationMs = performance.now() - startedAt
    await this.#end(run, ending, timing, journal)
  }

  /** The one terminal sequence, in one transaction with the run's status (design §5 row 8). */
  async #end(
    run: Executed,
    { stop, endedBy, error }: Ending & { error?: RunError },
    timing: Timing,
    journal?: Journal,
  ): Promise<void> {
    const { store, log, watcher } = this.#options
    const status = statusOf(stop)
    // Background work must not hurt what was said (design §5 row 17).
    const after =
      status === 'completed' && stop !== 'requires_approval'
        ? await afterwardsOf(store, run).catch((failure: unknown) => {
            logger.error({ err: failure, run: run.id }, 'The work after a run could not be planned')
            return undefined
          })
        : undefined
    const last: Frame[] = [{ message_type: 'stop_reason', stop_reason: stop, run_id: run.id }]
    if (error) {
      const { error_type, message } = error
      last.push({ message_type: 'error_message', run_id: run.id, error_type, message, detail: message, seq_id: null })
    } else {
      const ids = [run.id, ...(after?.runs ?? []).map(({ id }) => id)]
      last.push({ ...totalUsage(journal?.usages ?? []), run_ids: ids, run_id: run.id })
    }
    const end: RunEnd = { status, stopReason: stop, endedBy, error: error ?? null, completedAt: Date.now(), ...timing }
    await log.end(run.seq, last, async (segment) => {
      const ended = await store.endRun(run.id, end, segment, after)
      // Before a reader learns of them: they can be followed at once.
      for (const { id } of after?.runs ?? []) this.#await(await store.findRun(run.tenant, id))
      return ended
    })
    watcher.runEnded(run, end, journal?.usages ?? [])
  }
}

type Executed = Pick<RunRow, 'id' | 'seq' | 'tenant' | 'groupId' | 'agentId' | 'admission'>
type Timing = Pick<RunEnd, 'durationMs' | 'firstFrameMs'>

/** How an error ends a run, and what it says to one who asked for JSON. */
function failed(error: unknown): Ending & { error: RunError } {
  const refusal = asRefusal(error)
  if (refusal !== error) logger.error({ err: error }, 'A run failed inside the server')
  const { status, stopReason, errorType, message } = refusal
  return { stop: stopReason, endedBy: null, error: { status, body: refusal.body(), error_type: errorType, message } }
}
