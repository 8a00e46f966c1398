import type { MessageRow, Recorded, StepRow, Usage } from '../db/store.ts'
import { asRefusal } from '../errors.ts'
import type { LettaMessage } from '../wire/message.ts'
import { newId } from '../wire/id.ts'
import type { MessageStream } from './stream.ts'

/** What a step leaves: its record, the rows it made, and the messages that announce them. */
export interface StepOutcome {
  recorded: Recorded
  rows: MessageRow[]
  messages: LettaMessage[]
  /** Set when the model failed: the step is recorded as failed, and this is thrown. */
  failure?: unknown
}

/** Stores a step with its rows and the frames of `messages`, in one transaction. */
export type CommitStep = (step: Omit<StepRow, 'tenant'>, rows: MessageRow[], messages: LettaMessage[]) => Promise<void>

/**
 * The finished steps of a run. A step that is in it is not made again: a manager that is played from the top after a crash
 * comes to where the run stood without a word to anybody (design §4). So a manager must be deterministic given what was said.
 */
export class Journal {
  readonly #recorded: Map<string, StepRow>
  readonly #commit: CommitStep
  readonly #runId: string
  readonly #maxSteps: number
  #begun = 0
  readonly #usages: Usage[] = []

  constructor(runId: string, steps: StepRow[], maxSteps: number, commit: CommitStep) {
    this.#runId = runId
    this.#maxSteps = maxSteps
    this.#commit = commit
    this.#recorded = new Map(steps.map((step) => [`${step.turn}.${step.place}`, step]))
  }

  /** True when the request may make no further model call (design §5 row 11). */
  get full(): boolean {
    return this.#begun >= this.#maxSteps
  }

  /** The tokens of every model call so far. */
  get usages(): readonly Usage[] {
    return this.#usages
  }

  /** The step at this place of this turn: from the record, or made now and recorded. */
  async *step(
    turn: number,
    place: number,
    agentId: string,
    make: (stepId: string) => MessageStream<StepOutcome>,
  ): MessageStream<Recorded> {
    this.#begun++
    const known = this.#recorded.get(`${turn}.${place}`)
    if (known) {
      this.#usages.push(known.recorded.usage)
      return known.recorded
    }
    const id = newId('step')
    const createdAt = Date.now()
    const { recorded, rows, messages, failure } = yield* make(id)
    const refusal = failure === undefined ? undefined : asRefusal(failure)
    await this.#commit(
      {
        id,
        runId: this.#runId,
        agentId,
        turn,
        place,
        status: refusal ? 'failed' : 'success',
        stopReason: refusal ? refusal.stopReason : recorded.stop,
        recorded: refusal ? { ...recorded, error: { error_type: refusal.errorType, message: refusal.message } } : recorded,
        createdAt,
      },
      rows,
      messages,
    )
    if (failure !== undefined) throw failure
    this.#usages.push(recorded.usage)
    return recorded
  }
}
