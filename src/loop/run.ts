import type { NewRun, RunRow } from '../db/store.ts'
import { Cancelled, Conflict, RunBusy, StorageTrouble, Suspended } from '../errors.ts'
import { logger } from '../logger.ts'
import { hearersOf, sleeptimeNow, targetsOf } from './admission.ts'
import { cancelled, endRun, execute, type ExecutionOptions, failed } from './execution.ts'
import { inputRows } from './inputs.ts'
import { Line } from './line.ts'
import { denyAll, pendingOf } from './pending.ts'

export interface RunsOptions extends Omit<ExecutionOptions, 'follow'> {
  /** What runs may take to end when the server goes down. */
  shutdownMs: number
}

/**
 * The runs of this process: those that work, from their beginning to their one terminal sequence, and those that stand in line. A
 * run is not tied to a connection: who sent it, who reads it and whether anybody does makes no difference to it (design §3, §4).
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
    await store.findAgentName(tenant, agentId)
    const cancellable = new Set(await this.holders(tenant, [agentId]))
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
      else this.launch(run)
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

  /** The runs of this tenant that keep one of `targets`: they work, wait for an answer or, unless told otherwise, stand in line. */
  async holders(tenant: string, targets: string[], inLine = true): Promise<string[]> {
    const { store } = this.#options
    const live = [...this.#live.values()].flatMap(({ run }) =>
      run.tenant === tenant && targetsOf(run).some((target) => targets.includes(target)) ? [run.id] : [],
    )
    const agents = targets.filter((target) => target.startsWith('agent-'))
    const paused = await Promise.all(agents.map((agent) => store.pendingApprovals(tenant, { agent })))
    const waiting = inLine ? this.#line.before(targets).filter((run) => run.tenant === tenant) : []
    return [...new Set([...live, ...paused.flat().map(({ runId }) => runId), ...waiting.map(({ id }) => id)])]
  }

  /** Those that stand in line for one of `targets`. */
  waitingFor(targets: string[]): RunRow[] {
    return this.#line.before(targets)
  }

  /** @throws {RunBusy} when somebody stands in line for one of `targets` already */
  refuseWaitedFor(targets: string[]): void {
    this.#line.refuse(targets)
  }

  /** A run that was stored as `created` begins when all whom it needs are free. */
  async wait(run: RunRow): Promise<void> {
    this.#line.add(run)
    await this.#advance()
  }

  /** A run that was stored as `running` begins to work. */
  launch(run: RunRow): void {
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
    this.launch(started)
    return true
  }

  /** Ends a run that has not begun: what it was asked is listed, and nobody hears it. */
  async #endUnsaid(run: RunRow): Promise<void> {
    await endRun(run, cancelled, this.#execution, { unsaid: unsaidOf(run, [run.agentId]) })
  }
}

const unsaidOf = (run: RunRow, hearers: string[]) =>
  run.admission.followUps.flatMap((input) => inputRows({ ...run, createdAt: Date.now() }, input, hearers))
