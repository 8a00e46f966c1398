import { Refusal } from '../errors.ts'

/** Whom a failure is about. The key is here so that it can be taken out of what the provider says. */
export interface Origin {
  name: string
  endpoint: string
  apiKey?: string | undefined
}

interface Row {
  status: Refusal['status']
  /** `error_type` of the `event: error` frame. */
  errorType: string
  /** `error.type` of the HTTP body, where that is another one (streaming.md §9.2). */
  bodyType?: string
  stopReason?: Refusal['stopReason']
  /** The same request may well do in a moment. */
  transient?: true
  says: (who: string, origin: Origin) => string
}

/** streaming.md §9.4, row by row. */
const rows = {
  authentication: {
    status: 401,
    errorType: 'llm_authentication',
    says: (who, { apiKey }) =>
      apiKey ? `${who} refused our API key: check its setting` : `${who} wants an API key and none is set`,
  },
  permission: {
    status: 500,
    errorType: 'llm_error',
    says: (who) => `${who} does not permit this: check what its API key may use`,
  },
  not_found: {
    status: 500,
    errorType: 'llm_error',
    says: (who) => `${who} knows no such model or address: choose a model of GET /v1/models/`,
  },
  bad_request: {
    status: 400,
    errorType: 'llm_error',
    bodyType: 'llm_bad_request',
    says: (who) => `${who} did not accept the request`,
  },
  credits: {
    status: 402,
    errorType: 'llm_error',
    bodyType: 'llm_insufficient_credits',
    says: (who) => `The account at ${who} is out of credits: top it up or choose another model`,
  },
  context_overflow: {
    status: 400,
    errorType: 'internal_error',
    stopReason: 'error',
    says: (who) => `CONTEXT_WINDOW_EXCEEDED: The conversation is longer than the model at ${who} can read`,
  },
  unprocessable: { status: 500, errorType: 'llm_error', says: (who) => `${who} cannot process the request` },
  rate_limit: {
    status: 429,
    errorType: 'llm_rate_limit',
    transient: true,
    says: (who) => `${who} limits our rate: send again later`,
  },
  server: { status: 500, errorType: 'llm_error', transient: true, says: (who) => `${who} failed: send again later` },
  overloaded: { status: 503, errorType: 'llm_error', transient: true, says: (who) => `${who} is overloaded: send again later` },
  connection: {
    status: 500,
    errorType: 'llm_error',
    transient: true,
    says: (who) => `The connection to ${who} failed: check its address and the network`,
  },
  timeout: {
    status: 504,
    errorType: 'llm_timeout',
    says: (who) => `${who} was silent for too long: send again, or raise the timeout`,
  },
  empty: {
    status: 500,
    errorType: 'llm_empty_response',
    stopReason: 'invalid_llm_response',
    says: (who) => `${who} answered with neither text nor a tool call: send again`,
  },
  malformed: {
    status: 400,
    errorType: 'internal_error',
    stopReason: 'invalid_llm_response',
    says: (who) => `${who} answered with what we cannot read: check that its address is that of a chat API`,
  },
} satisfies Record<string, Row>

export type ProviderFailure = keyof typeof rows

interface Details {
  /** What the provider, or the system below it, said. */
  detail?: string | undefined
  retryAfterMs?: number | undefined
  /** False: the kind may be worth another try, this one is not. */
  transient?: boolean
  cause?: unknown
}

/** Any failure of a model call but an abort. It is the same one before and after the first delta. */
export class ProviderError extends Refusal {
  override readonly status: Refusal['status']
  override readonly errorType: string
  override readonly stopReason: Refusal['stopReason']
  override readonly retryable: boolean
  readonly kind: ProviderFailure
  /** The provider's own words, without its key. */
  readonly detail: string | null
  /** Another try may help; `retryAfterMs` is when, if the provider said so. */
  readonly transient: boolean
  readonly retryAfterMs: number | undefined

  constructor(kind: ProviderFailure, origin: Origin, { detail, retryAfterMs, transient, cause }: Details = {}) {
    const row: Row = rows[kind]
    const words = detail ? redact(detail, origin.apiKey).trim().slice(0, 2000) : null
    const lead = row.says(`${origin.name} (${hostOf(origin.endpoint)})`, origin)
    super(words ? `${lead} (${words.slice(0, 500)})` : lead, {}, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.status = row.status
    this.errorType = row.errorType
    this.stopReason = row.stopReason ?? 'llm_api_error'
    this.transient = transient ?? row.transient ?? false
    this.retryable = this.transient
    this.detail = words
    this.retryAfterMs = retryAfterMs
  }

  override body(): Record<string, unknown> {
    if (this.kind === 'overloaded') return super.body()
    const row: Row = rows[this.kind]
    return { error: { type: row.bodyType ?? row.errorType, message: this.message, detail: this.detail } }
  }
}

/** A class of its own: the loop compacts and calls again. */
export class ContextOverflow extends ProviderError {
  constructor(origin: Origin, details?: Details) {
    super('context_overflow', origin, details)
  }
  override body(): Record<string, unknown> {
    return { detail: this.message }
  }
}

/** There is no room for a conversation, and summarising it makes none. */
export class SystemPromptTooLong extends Refusal {
  override readonly status = 400
  override readonly errorType = 'context_window_overflow_in_system_prompt'
  override readonly stopReason = 'context_window_overflow_in_system_prompt'
  constructor(window: number) {
    super(
      `CONTEXT_WINDOW_EXCEEDED: The system prompt alone fills the context window of ${window} tokens: ` +
        'shorten it or the memory blocks, or choose a model with a larger window',
    )
  }
}

/** A handle whose provider is not here. */
export class UnknownHandle extends Refusal {
  override readonly status = 404
  constructor(handle: string, known: string[]) {
    super(`NOT_FOUND: Handle ${handle} not found, must be one of [${known.join(', ')}]`)
  }
}

/** What an HTTP answer that is not a 2xx means. `retryAfter` is the header of that name: seconds or a date. */
export function fromStatus(origin: Origin, status: number, bodyText: string, retryAfter?: string | null): ProviderError {
  const said = read(bodyText)
  return failure(origin, kindOf(status, `${said.code} ${said.message}`), {
    detail: said.message || `HTTP ${status}`,
    retryAfterMs: retryAfter ? readRetryAfter(retryAfter) : undefined,
  })
}

/** What an `error` object inside a 200 stream means: by its code if that is a status, else by its words. */
export function fromErrorObject(origin: Origin, error: unknown): ProviderError {
  const said = read(typeof error === 'string' ? error : JSON.stringify({ error }))
  const words = `${said.code} ${said.message}`
  const status = said.code
    .split(' ')
    .map(Number)
    .find((code) => code >= 400 && code < 600)
  const named = byName.find(([pattern]) => pattern.test(said.code))
  return failure(origin, kindOf(status ?? named?.[1] ?? 500, words), { detail: said.message || words })
}

/** The class that fits the kind. */
function failure(origin: Origin, kind: ProviderFailure, details: Details): ProviderError {
  // It was the provider that waited in vain, for us or for another: the next time it may not.
  if (kind === 'timeout') return new ProviderError(kind, origin, { ...details, transient: true })
  return kind === 'context_overflow' ? new ContextOverflow(origin, details) : new ProviderError(kind, origin, details)
}

/** Milliseconds to wait; undefined when it is neither seconds nor a date. */
export function readRetryAfter(header: string, now = Date.now()): number | undefined {
  const waitMs = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs)
}

const byName: [RegExp, number][] = [
  [/rate_?limit|resource_exhausted|too_many/i, 429],
  [/overloaded/i, 529],
  [/authentication|api_key|unauthenticated/i, 401],
  [/permission/i, 403],
  [/not_?found/i, 404],
  [/quota|billing|credit/i, 402],
  [/invalid|bad_request|content_filter|failed_precondition/i, 400],
  [/timeout|deadline/i, 408],
]

const contextWords =
  /context.?(length|window|size)|maximum context|prompt is too long|input is too long|too many (input )?tokens|input token count.{0,40}exceeds|reduce the length/i
const creditWords = /insufficient[ _](quota|credits?|funds|balance)|credit balance|out of credits|billing_hard_limit/i
const overloadWords = /overloaded|over capacity|at capacity/i

function kindOf(status: number, words: string): ProviderFailure {
  if (status === 413 || ([400, 422, 500].includes(status) && contextWords.test(words))) return 'context_overflow'
  if (status === 402 || (status < 500 && creditWords.test(words))) return 'credits'
  if (status === 529 || (status >= 500 && overloadWords.test(words))) return 'overloaded'
  if (status >= 500) return 'server'
  const kind = byStatus[status]
  return kind ?? (status >= 400 ? 'bad_request' : 'malformed')
}

const byStatus: Record<number, ProviderFailure> = {
  401: 'authentication',
  403: 'permission',
  404: 'not_found',
  408: 'timeout',
  422: 'unprocessable',
  429: 'rate_limit',
}

/** The message and the codes of an error body, of which every maker has its own form; the text itself when it is not JSON. */
function read(text: string): { code: string; message: string } {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return { code: '', message: text }
  }
  const outer = asRecord(Array.isArray(body) ? body[0] : body)
  const error = typeof outer['error'] === 'string' ? { message: outer['error'] } : asRecord(outer['error'] ?? outer)
  const message = [error['message'], error['detail'], outer['message'], outer['detail']].find(
    (words) => typeof words === 'string',
  )
  const codes = [error['code'], error['status'], error['type']].filter(
    (code) => typeof code === 'string' || typeof code === 'number',
  )
  return { code: codes.join(' '), message: message ?? text }
}

export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const asRecord = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {})

/** Some providers quote the key they refuse, in part or masked. */
export function redact(text: string, apiKey?: string): string {
  const known = apiKey && apiKey.length >= 4 ? text.replaceAll(apiKey, '[key]') : text
  return known
    .replace(/\b(sk|pk|xai)-[\w*.…-]{6,}/gi, '[key]')
    .replace(/\b(gsk_|AIza)[\w*.…-]{8,}/g, '[key]')
    .replace(/\bBearer\s+\S+/gi, 'Bearer [key]')
}

function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host || endpoint : endpoint
}
