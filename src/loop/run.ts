import type { NewRun, RunRow, Store } from '../db/store.ts'
import {
  Cancelled,
  Conflict,
  InvalidArgument,
  KeyReused,
  QueueFull,
  RunBusy,
  ShuttingDown,
  StorageTrouble,
  Suspended,
} from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import { logger } from '../logger.ts'
import type { RunLog } from '../stream/log.ts'
import { ping } from '../stream/sse.ts'
import type { ToolSource } from '../tools/tool.ts'
import { newId } from '../wire/id.ts'
import type { SendRequest } from '../wire/request.ts'
import {
  answeredIds,
  answerTo,
  askAgent,
  type Asked,
  askGroup,
  hearersOf,
  isAnswer,
  refusePending,
  sleeptimeNow,
  targetsOf,
} from './admission.ts'
import { cancelled, endRun, execute, type ExecutionOptions, failed } from './execution.ts'
import type { ResolveImages } from './images.ts'
import { inputRows } from './inputs.ts'
import { bounded, type RequestLimits, refuseRun, type RunLimits, type Sender } from './limits.ts'
import { Line } from './line.ts'
import { denyAll, pendingOf } from './pending.ts'
import { requestKey } from './request-key.ts'
import type { RunWatcher } from './watcher.ts'

export interface RunsOptions extends RunLimits {
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
  /** How often a model that failed half-way through an answer is asked again. */
  stepRetries: number
  /** How many requests may wait for a target. */
  queueLimit: number
  limits: RequestLimits
}

type Key = ReturnType<typeof requestKey>

/** Another request with the same key was first. */
class Repeated extends Error {
  readonly runId: string
  constructor(runId: string) {
    super()
    this.runId = runId
  }
}

/**
 * Owns every run from its admission to its one terminal sequence. A run is not tied to a connection: who sent it, who reads it
 * and whether anybody does makes no difference to it (design §3, §4).
 */
export class Runs {
  readonly #options: RunsOptions
  readonly #execution: ExecutionOptions
  readonly #live = new Map<string, { run: RunRow; abort: AbortController; ended: Promise<void> }>()
  readonly #line = new Line()
  #closing = false

  constructor(options: RunsOptions) {
    this.#options = options
    this.#execution = { ...options, follow: (runs, tenant) => this.#follow(runs, tenant) }
  }

  /**
   * @param key the request's `Idempotency-Key`
   * @returns the run that it has become, or that the same request became before
   * @throws {NotFound} {RunBusy} {InvalidArgument} …: whatever can be refused is refused here, before a head is sent
   */
  async sendToGroup(sender: Sender, groupId: string, asked: SendRequest, key?: string): Promise<RunRow> {
    const { store, limits } = this.#options
    const { tenant } = sender
    const request = bounded(limits, asked)
    return await this.#once(tenant, requestKey(groupId, request, key), async (once) => {
      const group = await store.findGroup(tenant, groupId)
      if (isAnswer(request)) return await this.#answer(sender, { group: groupId }, request, once)
      return await this.#meet(sender, await askGroup(store, tenant, group, request), once)
    })
  }

  /** @throws as sendToGroup */
  async sendToAgent(sender: Sender, agentId: string, asked: SendRequest, key?: string): Promise<RunRow> {
    const { store, limits } = this.#options
    const { tenant } = sender
    const request = bounded(limits, asked)
    return await this.#once(tenant, requestKey(agentId, request, key), async (once) => {
      if (!isAnswer(request)) return await this.#meet(sender, await askAgent(store, tenant, agentId, request), once)
      await store.findAgent(tenant, agentId)
      return await this.#answer(sender, { agent: agentId }, request, once)
    })
  }

  /**
   * Ends a run with `cancelled`, soon; its input and what was said are kept. One that waits for an answer is cancelled by denying
   * its calls.
   *
   * @returns false when it had ended already
   */
  async cancel(tenant: string, runId: string): Promise<boolean> {
    const { store, log } = this.#options
    const run = await store.findRun(tenant, runId)
    const left = run.status === 'created' && (await this.#line.leave(runId, (waiting) => this.#endUnsaid(waiting)))
    if (left) {
      await this.#advance()
      return true
    }
    const live = this.#live.get(runId)
    if (live) {
      live.abort.abort(new Cancelled())
      await log.unlessStuck(live.ended)
      return true
    }
    if (run.stopReason !== 'requires_approval') return false
    const pending = await store.pendingApprovals(tenant, { run: runId })
    await denyAll(store, tenant, pending, 'The user cancelled the request, so the tool call was denied.')
    await this.#advance()
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
    const cancellable = new Set(await this.#holders(tenant, [agentId]))
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
    return { live: this.#live.size, waiting: this.#line.length }
  }

  /** Resolves when a run that works in this process has ended; at once for any other. */
  async ended(runId: string): Promise<void> {
    await this.#live.get(runId)?.ended
  }

  /** Goes on with all that an earlier process has left (design §5 row 7). Call once, before serving. */
  async recover(): Promise<void> {
    const { store, log } = this.#options
    const open = await store.takeOverRuns()
    await log.recover(open.map(({ seq }) => seq))
    for (const run of open) {
      if (run.status === 'created') this.#line.add(run)
      else this.#launch(run)
    }
    await this.#advance()
  }

  /**
   * Takes no more, and lets what is running come to its end for a while. What has not is left as it stands, and goes on when the
   * server is started again.
   */
  async drain(): Promise<void> {
    this.#closing = true
    const late = setTimeout(() => {
      for (const { abort } of this.#live.values()) abort.abort(new Suspended())
    }, this.#options.shutdownMs)
    await Promise.all([...this.#live.values()].map(({ ended }) => ended))
    clearTimeout(late)
    await this.#options.log.settled()
  }

  /** The run that the same request has led to before, or what `send` makes of it. */
  async #once(tenant: string, key: Key, send: (key: Key) => Promise<RunRow>): Promise<RunRow> {
    try {
      await this.#refuseRepeated(tenant, key)
      return await send(key)
    } catch (error) {
      if (error instanceof Repeated) return await this.#options.store.findRun(tenant, error.runId)
      throw error
    }
  }

  /** @throws {Repeated} {KeyReused} */
  async #refuseRepeated(tenant: string, key: Key): Promise<void> {
    const before = key && (await this.#options.store.runOfKey(tenant, key))
    if (!before) return
    throw before.hash === key.hash ? new Repeated(before.runId) : new KeyReused(before.runId)
  }

  /** The answers to calls that wait: the run that paused is taken up by a new one; given again, they lead to the same run. */
  async #answer(sender: Sender, of: { group: string } | { agent: string }, request: SendRequest, key: Key): Promise<RunRow> {
    const { store } = this.#options
    const { tenant } = sender
    try {
      const [first] = await pendingOf(store, tenant, of)
      if (!first) throw new InvalidArgument('INVALID_ARGUMENT: No tool call is currently awaiting approval')
      // All that waits in a run is answered together, though it was asked by several members.
      const together = await store.pendingApprovals(tenant, { run: first.runId })
      return await this.#admit(sender, answerTo(together, await store.findRun(tenant, first.runId), request), key)
    } catch (error) {
      if (!(error instanceof InvalidArgument || error instanceof Conflict || error instanceof RunBusy)) throw error
      const before = await store.answeredBy(tenant, of, answeredIds(request))
      if (before === undefined) throw error
      return await store.findRun(tenant, before)
    }
  }

  /** Admits a request as it asked for, should its target be busy (design §5 row 10). */
  async #meet(sender: Sender, asked: Asked, key: Key): Promise<RunRow> {
    const { on_busy: onBusy } = asked.admission.request
    if (onBusy === 'interrupt' || onBusy === 'rollback') {
      const { store } = this.#options
      for (const id of await this.#holders(asked.tenant, targetsOf(asked), false)) {
        await this.cancel(asked.tenant, id)
        if (onBusy === 'rollback') await store.withdrawMessages(asked.tenant, id)
      }
    }
    return await this.#admit(sender, asked, key, onBusy !== 'reject')
  }

  /** The runs of this tenant that keep one of `targets`: they work, wait for an answer or, unless told otherwise, stand in line. */
  async #holders(tenant: string, targets: string[], inLine = true): Promise<string[]> {
    const { store } = this.#options
    const live = [...this.#live.values()].flatMap(({ run }) =>
      run.tenant === tenant && targetsOf(run).some((target) => targets.includes(target)) ? [run.id] : [],
    )
    const agents = targets.filter((target) => target.startsWith('agent-'))
    const paused = await Promise.all(agents.map((agent) => store.pendingApprovals(tenant, { agent })))
    const waiting = inLine ? this.#line.before(targets).filter((run) => run.tenant === tenant) : []
    return [...new Set([...live, ...paused.flat().map(({ runId }) => runId), ...waiting.map(({ id }) => id)])]
  }

  /** @param patient waits in line where it cannot begin at once */
  async #admit(sender: Sender, asked: Asked, key: Key, patient = false): Promise<RunRow> {
    const { store, log, providers, resolveImages } = this.#options
    const { tenant, groupId, agentId, answering } = asked
    const inputs = await resolveImages(asked.inputs)
    const admission = { ...asked.admission, followUps: await resolveImages(asked.admission.followUps) }
    if (admission.request.override_model) providers.resolve(admission.request.override_model)
    const targets = targetsOf(asked)
    const run = { id: newId('run'), agentId, groupId, createdAt: Date.now() }
    const { background, streaming } = admission.request
    const runType = streaming ? 'send_message_streaming' : 'send_message'
    const made: NewRun = { ...run, admission, background, runType, payer: sender.key?.id ?? null }
    const rows = inputs.flatMap((input) => inputRows(run, input, hearersOf(asked)))
    let waits = false
    await log.begin([ping(run.id)], async (frames) => {
      // Here nothing else is stored between the look and the admission, and nobody has begun to drain.
      if (this.#closing) throw new ShuttingDown()
      await this.#refuseRepeated(tenant, key)
      await refuseRun(store, sender, this.#options)
      try {
        if (answering.length === 0) {
          this.#line.refuse(targets)
          for (const agent of hearersOf(asked)) refusePending(await pendingOf(store, tenant, { agent }))
        }
        return await store.admitRun(tenant, made, { targets, inputs: rows, frames, answering, key })
      } catch (error) {
        if (!patient || !(error instanceof RunBusy || error instanceof Conflict)) throw error
        const { queueLimit } = this.#options
        if (this.#line.before(targets).length >= queueLimit) throw new QueueFull(groupId ?? agentId, queueLimit)
        waits = true
        const later = { ...made, admission: { ...admission, followUps: inputs } }
        return await store.admitRun(tenant, later, { targets: [], inputs: [], frames, answering, key, waits })
      }
    })
    const admitted = await store.findRun(tenant, run.id)
    if (waits) {
      this.#line.add(admitted)
      await this.#advance()
    } else this.#launch(admitted)
    return admitted
  }

  #launch(run: RunRow) {
    if (run.groupId !== null) this.#options.log.announce(run.groupId)
    const abort = new AbortController()
    const work = async () => {
      try {
        await execute(run, this.#execution, abort.signal)
      } catch (error) {
        logger.error({ err: error, run: run.id }, 'A run could not be ended')
      }
      this.#live.delete(run.id)
      await this.#advance()
    }
    this.#live.set(run.id, { run, abort, ended: work() })
  }

  /** Background runs wait for their agents; who reads one waits with it. */
  async #follow(runs: NewRun[], tenant: string): Promise<void> {
    for (const { id } of runs) {
      const run = await this.#options.store.findRun(tenant, id)
      this.#options.log.expect(run.seq)
      this.#line.add(run)
    }
  }

  async #advance(): Promise<void> {
    await this.#line.advance(async (run) => {
      if (this.#closing) return false
      try {
        return await this.#start(run)
      } catch (error) {
        await endRun(run, failed(error), this.#execution).catch((failure: unknown) =>
          logger.error({ err: failure, run: run.id }, 'A run could not be ended'),
        )
        return true
      }
    })
  }

  /** @returns false when somebody whom it needs is not free: speaks, or waits for an answer */
  async #start(run: RunRow): Promise<boolean> {
    const { store } = this.#options
    const hearers = hearersOf(run)
    for (const agent of hearers) if ((await pendingOf(store, run.tenant, { agent })).length > 0) return false
    const sleeptime = await sleeptimeNow(store, run)
    const started: RunRow = { ...run, status: 'running', admission: { ...run.admission, sleeptime } }
    const rows = unsaidOf(run, hearers)
    try {
      await store.startRun(started, targetsOf(run), rows)
    } catch (error) {
      if (error instanceof RunBusy || error instanceof StorageTrouble) return false
      throw error
    }
    this.#launch(started)
    return true
  }

  /** Ends a run that has not begun: what it was asked is listed, and nobody hears it. */
  async #endUnsaid(run: RunRow): Promise<void> {
    await endRun(run, cancelled, this.#execution, undefined, undefined, unsaidOf(run, [run.agentId]))
  }
}

const unsaidOf = (run: RunRow, hearers: string[]) =>
  run.admission.followUps.flatMap((input) => inputRows({ ...run, createdAt: Date.now() }, input, hearers))
