import type { MessageRow, PendingApproval, Recorded, StepRow, Usage } from '../db/store.ts'
import { asRefusal, Cancelled } from '../errors.ts'
import { noUsage } from '../llm/usage.ts'
import { expand } from '../stream/expand.ts'
import { newId } from '../wire/id.ts'
import type { LettaMessage } from '../wire/message.ts'
import { stepRetry } from './events.ts'

/** What a step leaves: its record, the rows it made, and the messages that announce them. */
export interface StepOutcome {
  recorded: Recorded
  rows: MessageRow[]
  messages: LettaMessage[]
  /** Set when it waits for an answer from outside. */
  pending?: PendingApproval
  /** Set when the model failed, or the run was cancelled: `rows` are what it had said by then, and this is thrown. */
  failure?: unknown
}

/** What an act leaves, and what a replay needs of it. */
export interface Act
  extends
    Pick<StepOutcome, 'rows' | 'messages' | 'failure'>,
    Partial<Pick<Recorded, 'stop' | 'said' | 'returned' | 'missing'>> {}

/** Stores a step with its rows and the frames of `messages`, in one transaction. */
export type CommitStep = (step: Omit<StepRow, 'tenant'>, outcome: StepOutcome) => Promise<void>

/** When a failed step is made again. */
export interface StepRetries {
  /** ms until then; undefined when another try is of no use, or there were enough. */
  waitMs(failure: unknown, retries: number): number | undefined
  /** @throws the reason why the run ends meanwhile */
  wait(ms: number): Promise<void>
}

export interface JournalOptions {
  maxSteps: number
  commit: CommitStep
  retries: StepRetries
}

/** Where in a run something happens: which turn, and which step of it. */
export interface At {
  turn: number
  place: number
  agentId: string
}

/**
 * The finished steps of a run, and of the paused ones that it takes up. A step that is in it is not made again: a manager that
 * is played from the top, after a crash or an approval, comes to where the run stood without a word to anybody (design §4). So
 * a manager must be deterministic given what was said.
 */
export class Journal {
  readonly #recorded: Map<string, StepRow>
  readonly #commit: CommitStep
  readonly #runId: string
  readonly #maxSteps: number
  readonly #retries: StepRetries
  readonly #usages: Usage[] = []
  #begun = 0

  constructor(runId: string, steps: StepRow[], { maxSteps, commit, retries }: JournalOptions) {
    this.#runId = runId
    this.#maxSteps = maxSteps
    this.#commit = commit
    this.#retries = retries
    const made = steps.filter(({ status }) => status === 'success')
    this.#recorded = new Map(made.map((step) => [keyOf(step, step.kind), step]))
  }

  /** True when the request may make no further model call (design §5 row 11). */
  get full(): boolean {
    return this.#begun >= this.#maxSteps
  }

  /** The tokens of every model call of this run so far. */
  get usages(): readonly Usage[] {
    return this.#usages
  }

  /** The recorded step at this place, if it was made already. */
  find(at: At): StepRow | undefined {
    return this.#recorded.get(keyOf(at, 'call'))
  }

  /**
   * The step at this place of this turn: from the record, or made now and recorded. A model that fails half-way is asked again,
   * a few times, as a new step; what the failed one had shown is withdrawn (faults.md F35).
   */
  async step(at: At, make: (stepId: string) => Promise<StepOutcome>): Promise<Recorded> {
    const known = this.find(at)
    if (known) {
      if (known.runId === this.#runId) this.#count(known.recorded)
      return known.recorded
    }
    for (let retries = 0; ; retries++) {
      this.#begun++
      const createdAt = Date.now()
      const startedAt = performance.now()
      const id = newId('step')
      const outcome = await make(id)
      const { recorded, failure } = outcome
      recorded.tookMs = performance.now() - startedAt
      const step = this.#row(at, 'call', id, recorded, createdAt)
      if (failure === undefined) {
        await this.#commit(step, outcome)
        // So that an answer in this run finds it.
        this.#recorded.set(keyOf(at, 'call'), { ...step, tenant: '' })
        this.#usages.push(recorded.usage)
        return recorded
      }
      const failed = failedStep(step, failure)
      // What failed before it said anything was tried again by its provider already.
      const again = outcome.rows.length > 0 && !this.full
      const waitMs = again ? this.#retries.waitMs(failure, retries) : undefined
      if (waitMs === undefined) {
        await this.#commit(failed, outcome)
        throw failure
      }
      const withdrawal = stepRetry(this.#runId, {
        step_id: id,
        otids: otidsOf(outcome.rows),
        reason: asRefusal(failure).message,
      })
      await this.#commit(failed, { ...outcome, rows: [], messages: [withdrawal] })
      await this.#retries.wait(waitMs)
    }
  }

  /** Something that no model does, done once: a tool's late result, a word to the reader. */
  async act(at: At, make: () => Promise<Act>): Promise<Recorded> {
    const known = this.acted(at)
    if (known) return known
    const { rows, messages, failure, ...kept } = await make()
    const recorded: Recorded = { ...nothing, ...kept }
    await this.#commit(this.#row(at, 'act', newId('step'), recorded, Date.now()), { rows, messages, recorded })
    if (failure !== undefined) throw failure
    return recorded
  }

  acted(at: At): Recorded | undefined {
    return this.#recorded.get(keyOf(at, 'act'))?.recorded
  }

  /** The steps that waited for the answers which this run brings, oldest first. */
  get paused(): StepRow[] {
    return [...this.#recorded.values()].filter((step) => {
      if (step.kind !== 'call' || !step.recorded.waits || step.runId === this.#runId) return false
      const act = this.#recorded.get(keyOf(step, 'act'))
      return !act || act.runId === this.#runId
    })
  }

  #count(recorded: Recorded) {
    this.#begun++
    this.#usages.push(recorded.usage)
  }

  #row({ turn, place, agentId }: At, kind: StepRow['kind'], id: string, recorded: Recorded, createdAt: number) {
    const row: Omit<StepRow, 'tenant'> = {
      id,
      runId: this.#runId,
      agentId,
      turn,
      place,
      kind,
      status: 'success',
      stopReason: recorded.stop,
      recorded,
      createdAt,
    }
    return row
  }
}

/** Of all that readers are shown of a step with these rows. */
export const otidsOf = (rows: MessageRow[]): string[] =>
  rows.filter(({ heard }) => !heard).flatMap((row) => expand(row).flatMap(({ otid }) => otid ?? []))

/** What became of a step whose model failed, or whose run was cancelled. */
function failedStep(step: Omit<StepRow, 'tenant'>, failure: unknown): Omit<StepRow, 'tenant'> {
  const { stopReason, errorType, message } = asRefusal(failure)
  if (failure instanceof Cancelled) return { ...step, status: 'cancelled', stopReason }
  return { ...step, status: 'failed', stopReason, recorded: { ...step.recorded, error: { error_type: errorType, message } } }
}

export const keyOf = ({ turn, place }: Pick<At, 'turn' | 'place'>, kind: StepRow['kind']) => `${turn}.${place}.${kind}`

const nothing: Recorded = {
  stop: null,
  said: [],
  calls: [],
  returned: [],
  model: '',
  handle: '',
  providerType: '',
  endpoint: '',
  contextWindow: 0,
  usage: noUsage,
}
