import type { NewRun, RunRow, Store } from '../db/store.ts'
import { Conflict, InvalidArgument, KeyReused, QueueFull, RunBusy, ShuttingDown } from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import type { RunLog } from '../stream/log.ts'
import { ping } from '../stream/sse.ts'
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
  targetsOf,
} from './admission.ts'
import type { ResolveImages } from './images.ts'
import { inputRows } from './inputs.ts'
import { bounded, type RequestLimits, refuseRun, type RunLimits, type Sender } from './limits.ts'
import { pendingOf } from './pending.ts'
import { requestKey } from './request-key.ts'
import type { Runs } from './run.ts'

export interface RequestsOptions extends RunLimits {
  store: Store
  log: RunLog
  providers: Providers
  resolveImages: ResolveImages
  runs: Runs
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
 * Takes requests: whatever can be refused is refused here, before a head is sent (design §5 row 9). What is taken is a run, stored
 * with its input and its first frame in one transaction.
 */
export class Requests {
  readonly #options: RequestsOptions

  constructor(options: RequestsOptions) {
    this.#options = options
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
      await store.findAgentName(tenant, agentId)
      return await this.#answer(sender, { agent: agentId }, request, once)
    })
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
      const { store, runs } = this.#options
      for (const id of await runs.holders(asked.tenant, targetsOf(asked), false)) {
        await runs.cancel(asked.tenant, id)
        if (onBusy === 'rollback') await store.withdrawMessages(asked.tenant, id)
      }
    }
    return await this.#admit(sender, asked, key, onBusy !== 'reject')
  }

  /** @param patient waits in line where it cannot begin at once */
  async #admit(sender: Sender, asked: Asked, key: Key, patient = false): Promise<RunRow> {
    const { store, log, providers, runs, resolveImages } = this.#options
    const { tenant, groupId, agentId, answering } = asked
    const inputs = await resolveImages(asked.inputs)
    const admission = { ...asked.admission, followUps: await resolveImages(asked.admission.followUps) }
    if (admission.request.override_model) providers.resolve(admission.request.override_model)
    const targets = targetsOf(asked)
    const run = { id: newId('run'), agentId, groupId, createdAt: Date.now() }
    const { background, streaming } = admission.request
    const runType = streaming ? 'send_message_streaming' : 'send_message'
    const payer = sender.key?.id ?? null
    const made: NewRun = { ...run, admission, background, runType, payer }
    const rows = inputs.flatMap((input) => inputRows(run, input, hearersOf(asked)))
    let waits = false
    const seq = await log.begin([ping(run.id)], async (frames) => {
      // Here nothing else is stored between the look and the admission, and nobody has begun to drain.
      if (runs.draining) throw new ShuttingDown()
      await this.#refuseRepeated(tenant, key)
      await refuseRun(store, sender, this.#options)
      try {
        if (answering.length === 0) {
          runs.refuseWaitedFor(targets)
          for (const agent of hearersOf(asked)) refusePending(await pendingOf(store, tenant, { agent }))
        }
        return await store.admitRun(tenant, made, { targets, inputs: rows, frames, answering, key })
      } catch (error) {
        if (!patient || !(error instanceof RunBusy || error instanceof Conflict)) throw error
        const { queueLimit } = this.#options
        if (runs.waitingFor(targets).length >= queueLimit) throw new QueueFull(groupId ?? agentId, queueLimit)
        waits = true
        made.admission = { ...admission, followUps: inputs }
        return await store.admitRun(tenant, made, { targets: [], inputs: [], frames, answering, key, waits })
      }
    })
    const status = waits ? 'created' : 'running'
    const admitted: RunRow = { ...made, payer, seq, tenant, status, stopReason: null, error: null, crashes: 0 }
    if (waits) await runs.wait(admitted)
    else runs.launch(admitted)
    return admitted
  }
}
