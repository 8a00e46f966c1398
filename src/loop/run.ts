import type { Config } from '../config.ts'
import type { Admission, MessageRow, Part, RunEnd, RunError, RunRow, Store } from '../db/store.ts'
import { asRefusal, Conflict, Interrupted, InvalidArgument, ShuttingDown } from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import type { RunLog } from '../stream/log.ts'
import { ping } from '../stream/sse.ts'
import type { ContentPart } from '../wire/content.ts'
import { newId } from '../wire/id.ts'
import type { Frame } from '../wire/message.ts'
import type { MessageCreate, SendRequest } from '../wire/request.ts'
import { ListRunsQuery, statusOf } from '../wire/run.ts'
import { Journal } from './journal.ts'
import { managerOf } from './managers/index.ts'
import type { Ending } from './managers/manager.ts'
import type { Scene } from './scene.ts'
import { distinct, takeTurn } from './turn.ts'
import { totalUsage } from './usage.ts'

export interface RunsOptions {
  store: Store
  log: RunLog
  providers: Providers
  config: Pick<Config, 'shutdownMs'>
}

/** Thrown into a run that a caller cancels. */
const cancelled = Symbol('cancelled')

/**
 * Owns every run from its admission to its one terminal sequence. A run is not tied to a connection: who sent it, who reads it
 * and whether anybody does makes no difference to it (design §3, §4).
 */
export class Runs {
  readonly #options: RunsOptions
  readonly #live = new Map<string, { abort: AbortController; ended: Promise<void> }>()
  #closing = false

  constructor(options: RunsOptions) {
    this.#options = options
  }

  /** @throws {NotFound} {RunBusy} {InvalidArgument} {Unsupported}; whatever can be refused is refused here, before a head is sent */
  async sendToGroup(tenant: string, groupId: string, request: SendRequest): Promise<RunRow> {
    const { store } = this.#options
    const group = await store.findGroup(tenant, groupId)
    if (group.agent_ids.length === 0) throw new InvalidArgument(`Empty group: ${groupId} has no agents; add some to agent_ids`)
    const members = await Promise.all(group.agent_ids.map((id) => store.findAgent(tenant, id)))
    const { messages, ...rest } = request
    return await this.#admit(tenant, groupId, group.manager_agent_id ?? members[0]!.id, messages, {
      request: rest,
      manager: group.manager_type,
      description: group.description,
      maxTurns: group.max_turns,
      members: members.map(({ id, name }) => ({ id, name })),
    })
  }

  /** @throws as sendToGroup */
  async sendToAgent(tenant: string, agentId: string, request: SendRequest): Promise<RunRow> {
    const { id, name } = await this.#options.store.findAgent(tenant, agentId)
    const { messages, ...rest } = request
    return await this.#admit(tenant, null, id, messages, {
      request: rest,
      manager: 'agent',
      description: '',
      maxTurns: null,
      members: [{ id, name }],
    })
  }

  /**
   * Ends a run with `cancelled`, soon; its finished steps and its input are kept.
   *
   * @returns false when it had ended already
   */
  async cancel(tenant: string, runId: string): Promise<boolean> {
    await this.#options.store.findRun(tenant, runId)
    const live = this.#live.get(runId)
    if (!live) return false
    live.abort.abort(cancelled)
    await live.ended
    return true
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
    const active = await store.listRuns(tenant, ListRunsQuery.parse({ agent_id: agentId, active: 'true' }))
    const wanted = runIds ?? active.map(({ id }) => id)
    if (wanted.length === 0) throw new Conflict('CONFLICT: No active runs to cancel')
    const ends = wanted.map(async (id) => {
      if (!active.some((run) => run.id === id)) return [id, 'failed'] as const
      await this.cancel(tenant, id)
      return [id, 'cancelled'] as const
    })
    return Object.fromEntries(await Promise.all(ends))
  }

  /** Ends what an earlier process left open, with an error that says so (streaming.md §A.1, I7). Call once, before serving. */
  async recover(): Promise<void> {
    const { store, log } = this.#options
    const open = await store.openRuns()
    await log.recover(open.map(({ seq }) => seq))
    for (const run of open) await this.#end(run, 0, failed(new Interrupted()), undefined)
  }

  /** Takes no more, lets what is running come to its end for a while, then ends it. */
  async drain(): Promise<void> {
    this.#closing = true
    const all = () => Promise.all([...this.#live.values()].map(({ ended }) => ended))
    const late = setTimeout(() => {
      for (const { abort } of this.#live.values()) abort.abort(new Interrupted())
    }, this.#options.config.shutdownMs)
    await all()
    clearTimeout(late)
  }

  async #admit(tenant: string, groupId: string | null, agentId: string, inputs: SendRequest['messages'], admission: Admission) {
    if (this.#closing) throw new ShuttingDown()
    const { store, log, providers } = this.#options
    managerOf(admission.manager)
    if (admission.request.override_model) providers.resolve(admission.request.override_model)
    const run = { id: newId('run'), agentId, groupId, createdAt: Date.now() }
    const rows = inputs.flatMap((input) =>
      inputRows(
        run,
        asMessage(input),
        distinct(admission.members).map(({ id }) => id),
      ),
    )
    const targets = [...(groupId === null ? [] : [groupId]), ...admission.members.map(({ id }) => id), agentId]
    const seq = await log.begin([ping(run.id)], (frames) =>
      store.admitRun(
        tenant,
        {
          ...run,
          admission,
          background: admission.request.background,
          runType: admission.request.streaming ? 'send_message_streaming' : 'send_message',
        },
        [...new Set(targets)].toSorted(),
        rows,
        frames,
      ),
    )
    const abort = new AbortController()
    const ended = this.#execute({ ...run, seq, tenant, admission }, abort.signal)
      .catch((error: unknown) => console.error(error))
      .finally(() => this.#live.delete(run.id))
    this.#live.set(run.id, { abort, ended })
    return await store.findRun(tenant, run.id)
  }

  /** Drives the manager's generator to its end. Nothing here depends on who reads. */
  async #execute(run: Executed, signal: AbortSignal): Promise<void> {
    const { store, log, providers } = this.#options
    const { tenant, admission } = run
    const startedAt = performance.now()
    let firstFrameMs: number | null = null
    const journal = new Journal(run.id, await store.journalOf(run.id), admission.request.max_steps, (step, rows, messages) =>
      log.commit(run.seq, messages, (frames) => store.commitStep({ ...step, tenant }, rows, frames)),
    )
    const scene: Scene = { tenant, runId: run.id, groupId: run.groupId, admission, store, providers, journal, signal }
    let turn = 0
    const { members, maxTurns } = admission
    let ending: Ending & { error?: RunError }
    try {
      const said = managerOf(admission.manager)({ members, maxTurns, speak: (member) => takeTurn(scene, member, turn++) })
      let item = await said.next()
      while (!item.done) {
        firstFrameMs ??= performance.now() - startedAt
        const full = log.append(run.seq, item.value)
        if (full) await full
        item = await said.next()
      }
      ending = item.value
    } catch (error) {
      ending = error === cancelled ? { stop: 'cancelled', endedBy: null } : failed(error)
    }
    await this.#end(run, performance.now() - startedAt, ending, journal, firstFrameMs)
  }

  /** The one terminal sequence, in one transaction with the run's status (design §5 row 8). */
  async #end(
    run: Pick<RunRow, 'id' | 'seq'>,
    durationMs: number,
    { stop, endedBy, error }: Ending & { error?: RunError },
    journal: Journal | undefined,
    firstFrameMs: number | null = null,
  ): Promise<void> {
    const { store, log } = this.#options
    const last: Frame[] = [{ message_type: 'stop_reason', stop_reason: stop, run_id: run.id }]
    if (error) {
      const { error_type, message } = error
      last.push({ message_type: 'error_message', run_id: run.id, error_type, message, detail: message, seq_id: null })
    } else last.push({ ...totalUsage(journal?.usages ?? []), run_ids: [run.id], run_id: run.id })
    const end: RunEnd = {
      status: statusOf(stop),
      stopReason: stop,
      endedBy,
      error: error ?? null,
      completedAt: Date.now(),
      firstFrameMs,
      durationMs,
    }
    await log.end(run.seq, last, (segment) => store.endRun(run.id, end, segment))
  }
}

type Executed = Pick<RunRow, 'id' | 'seq' | 'tenant' | 'groupId' | 'admission'>

/** How an error ends a run, and what it says to one who asked for JSON. */
function failed(error: unknown): Ending & { error: RunError } {
  const refusal = asRefusal(error)
  if (refusal !== error) console.error(error)
  const { status, stopReason, errorType, message } = refusal
  return { stop: stopReason, endedBy: null, error: { status, body: refusal.body(), error_type: errorType, message } }
}

/** @throws {InvalidArgument} for an answer to a request for approval: there is none to answer */
function asMessage(input: SendRequest['messages'][number]): MessageCreate {
  if (input.type !== 'message') throw new InvalidArgument('INVALID_ARGUMENT: No tool call is currently awaiting approval')
  return input
}

/** An input is stored for the first member, and heard by the others (design §5 rows 15, 19). */
function inputRows(
  run: { id: string; groupId: string | null; createdAt: number },
  input: MessageCreate,
  members: string[],
): MessageRow[] {
  const content: ContentPart[] = typeof input.content === 'string' ? [{ type: 'text', text: input.content }] : input.content
  return members.map((agentId, index) => ({
    id: newId('message'),
    agentId,
    groupId: run.groupId,
    runId: run.id,
    stepId: null,
    role: input.role,
    parts: content.map(storedPart),
    name: input.name ?? null,
    senderId: input.sender_id ?? null,
    otid: input.otid,
    isErr: false,
    date: run.createdAt,
    heard: index > 0,
  }))
}

const storedPart = (part: ContentPart): Part =>
  part.type === 'tool_call'
    ? { type: 'tool_call', id: part.id, name: part.name, arguments: JSON.stringify(part.input), signature: part.signature }
    : part
