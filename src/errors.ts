import type { z } from 'zod'
import type { StopReasonType } from './wire/run.ts'

/**
 * Every way we refuse or fail is a `Refusal`: it knows its HTTP status (before the response head is sent) and how it looks
 * as the end of a run (after it). The message is for the caller and says what to do next.
 */
export abstract class Refusal extends Error {
  abstract readonly status:
    | 400
    | 401
    | 402
    | 403
    | 404
    | 405
    | 409
    | 410
    | 413
    | 415
    | 422
    | 429
    | 500
    | 501
    | 502
    | 503
    | 504
    | 507
  /** `error_type` of the `event: error` frame (streaming.md §1.6). */
  readonly errorType: string = 'internal_error'
  readonly stopReason: StopReasonType = 'error'
  /** A client that tries again gets the same answer: sent as `x-should-retry: false`, which letta-client obeys. */
  readonly retryable: boolean = false
  readonly extra: Record<string, unknown>

  constructor(message: string, extra: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options)
    this.extra = extra
  }

  /** The JSON body of the HTTP answer (streaming.md §9.1). */
  body(): Record<string, unknown> {
    return { detail: this.message, ...this.extra }
  }

  /** What the HTTP answer says to clients that try again by themselves. */
  headers(): Record<string, string> {
    return { 'x-should-retry': String(this.retryable), ...(this.retryable && { 'retry-after': '1' }) }
  }
}

/** Unknown, deleted, or another tenant's: they look the same. */
export class NotFound extends Refusal {
  override readonly status = 404
  constructor(noun: string, id: string) {
    super(`${noun[0]!.toUpperCase()}${noun.slice(1)} not found: ${id}`)
  }
}

/** Well-formed, but it cannot be done as asked. */
export class InvalidArgument extends Refusal {
  override readonly status = 400
}

interface FieldIssue {
  type: string
  loc: (string | number)[]
  msg: string
  input: unknown
}

/** Fields with values that we cannot take: 422 with a list of what is wrong where (design §5 row 21). */
export class InvalidFields extends Refusal {
  override readonly status = 422
  readonly issues: FieldIssue[]

  constructor(place: string, error: z.core.$ZodError, given: unknown) {
    const issues = error.issues.map((issue) => ({
      type: issue.code ?? 'value_error',
      loc: [place, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))],
      msg: issue.message,
      input: brief(issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null)?.[key], given)),
    }))
    super(issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '))
    this.issues = issues
  }
  override body() {
    return { detail: this.issues }
  }
}

/** A wrong value is shown back, a huge one is not. */
const brief = (input: unknown): unknown => {
  if (typeof input === 'string') return input.length > 200 ? `${input.slice(0, 200)}…` : input
  return typeof input === 'object' ? null : (input ?? null)
}

/** It clashes with what is there: a label in use, a manager of a group. */
export class Conflict extends Refusal {
  override readonly status = 409
}

/** The target is still answering another request; trying again later helps (design §5 row 10). */
export class RunBusy extends Refusal {
  override readonly status = 409
  override readonly errorType = 'run_busy'
  override readonly retryable = true
  constructor(targetId: string, runId: string) {
    super(
      `CONFLICT: Cannot send a new message: Another request (run_id=${runId}) is currently being processed for this conversation. ` +
        `${targetId} is free when that run has ended: follow it at /v1/runs/${runId}/stream or cancel it.`,
      { run_id: runId },
    )
  }
}

/** As many as may already wait for the target (design §5 row 10). */
export class QueueFull extends Refusal {
  override readonly status = 429
  override readonly errorType = 'queue_full'
  override readonly retryable = true
  constructor(targetId: string, limit: number) {
    super(`${limit} requests wait for ${targetId} already: send again later, or with on_busy "interrupt"`)
  }
}

/** The key of a request was used for another one (design §5 row 26). */
export class KeyReused extends Refusal {
  override readonly status = 409
  override readonly errorType = 'idempotency_conflict'
  constructor(runId: string) {
    super(
      `CONFLICT: Another request was sent with the same Idempotency-Key or otid, and became ${runId}: give this one its own`,
      {
        run_id: runId,
      },
    )
  }
}

/** The frames are no longer kept (design §5 row 30). */
export class Expired extends Refusal {
  override readonly status = 410
  constructor(runId: string) {
    super(`EXPIRED: The stream of ${runId} is now expired; its messages are still at /v1/runs/${runId}/messages.`)
  }
}

/** Spans are sent to a collector, not kept here. */
export class NoTraces extends Refusal {
  override readonly status = 501
  constructor() {
    super('Traces are not stored here: the steps and metrics of a run are, and spans go to an OpenTelemetry collector')
  }
}

export class Unauthorized extends Refusal {
  override readonly status = 401
  constructor() {
    super('Unauthorized')
  }
  override headers() {
    return { ...super.headers(), 'www-authenticate': 'Bearer' }
  }
}

/** We know who asks, or do not need to: it is not for him. */
export class Forbidden extends Refusal {
  override readonly status = 403
}

/** More than a caller may have for now (faults.md F84, F97). */
export class TooMany extends Refusal {
  override readonly status = 429
  override readonly errorType = 'rate_limit'
  override readonly retryable: boolean
  readonly #limit: number
  readonly #resetMs: number

  /** @param options.resetMs until it is worth while to ask again */
  constructor(message: string, { limit, resetMs, retryable }: { limit: number; resetMs: number; retryable: boolean }) {
    super(`${message}: try again in ${Math.ceil(resetMs / 1000)} s`)
    this.retryable = retryable
    this.#limit = limit
    this.#resetMs = resetMs
  }
  override headers() {
    const seconds = String(Math.ceil(this.#resetMs / 1000))
    return {
      ...super.headers(),
      'retry-after': seconds,
      'x-ratelimit-limit': String(this.#limit),
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': seconds,
    }
  }
}

/** More than this server takes at once; another moment will do. */
export class Overloaded extends Refusal {
  override readonly status = 503
  override readonly errorType = 'overloaded'
  override readonly retryable = true
}

export class TooLarge extends Refusal {
  override readonly status = 413
  constructor(limitBytes: number) {
    super(`The body is larger than ${limitBytes} bytes`)
  }
}

/** The connection ended before the body did: nobody is there to be told. */
export class BodyCut extends Refusal {
  override readonly status = 400
  constructor(cause: unknown) {
    super('The body was cut off', {}, { cause })
  }
}

export class WrongContentType extends Refusal {
  override readonly status = 415
  constructor(got: string | undefined) {
    super(`Send the body as content-type: application/json, not ${got ?? 'without one'}`)
  }
}

/** Somebody cancelled the run; it ends with `cancelled`, which is no failure. */
export class Cancelled extends Refusal {
  override readonly status = 409
  override readonly stopReason = 'cancelled'
  constructor() {
    super('The run was cancelled')
  }
}

/** The server goes down before the run has ended: it is taken up again after the restart, as if nothing had been (design §5 row 7). */
export class Suspended extends Error {}

/** A process died over the same step of the run again and again: it is not tried once more (faults.md F16). */
export class Interrupted extends Refusal {
  override readonly status = 503
  override readonly errorType = 'stream_task_cancelled'
  constructor(crashes: number) {
    super(`The server stopped ${crashes} times while it was working on the same step of this run, so the run was given up`)
  }
}

/** The server is on its way down; the same request will do after the restart. */
export class ShuttingDown extends Refusal {
  override readonly status = 503
  override readonly errorType = 'stream_task_cancelled'
  override readonly retryable = true
  constructor() {
    super('The server is shutting down: send again in a moment')
  }
}

/** Whoever waits for the whole of an answer is told where it will be: the run goes on after the restart. */
export class RunGoesOn extends Refusal {
  override readonly status = 503
  override readonly errorType = 'stream_task_cancelled'
  constructor(runId: string) {
    super(`The server is shutting down; ${runId} goes on when it is back: follow it at /v1/runs/${runId}/stream`, {
      run_id: runId,
    })
  }
}

/** Storage does not take what it should: nothing was stored (faults.md F17, F19, F26). */
export class StorageTrouble extends Refusal {
  override readonly status: 503 | 507
  override readonly errorType: string
  override readonly retryable = true
  readonly kind: 'full' | 'busy' | 'failed'
  constructor(kind: StorageTrouble['kind'], cause: unknown) {
    const errorType = `storage_${kind}`
    super(troubles[kind], { error_type: errorType }, { cause })
    this.kind = kind
    this.status = kind === 'full' ? 507 : 503
    this.errorType = errorType
  }
}

const troubles = {
  full: 'Storage takes no more data: nothing was stored, send again when there is room',
  busy: 'Storage is held by another process: nothing was stored, send again in a moment',
  failed: 'Storage has failed, and the server ends: nothing was stored',
}

/** What was not thrown by us: its text stays in the log. */
class Unexpected extends Refusal {
  override readonly status = 500
  constructor(cause: unknown) {
    super('An unknown error occurred', {}, { cause })
  }
}

/** What an error looks like to the outside. What we did not throw ourselves keeps its text to the server's log. */
export const asRefusal = (error: unknown): Refusal => (error instanceof Refusal ? error : new Unexpected(error))
