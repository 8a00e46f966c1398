import { key, refuseKey } from './key.ts'

/** An answer that is none of 200. The message is for the person. */
export class ApiError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('The server does not answer.', { cause })
  }
}

export const api = {
  get: <T>(path: string) => json<T>('GET', path),
  post: <T>(path: string, body: unknown = {}) => json<T>('POST', path, body),
  patch: <T>(path: string, body: unknown = {}) => json<T>('PATCH', path, body),
  delete: (path: string) => json('DELETE', path),
}

async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await (await call(method, path, body)).json()) as T
}

/**
 * Sends to a group or an agent; what comes of it is seen in its feed, so the answer itself is not read. A lost connection is
 * tried again: by the key of the request it is answered only once.
 *
 * @returns the run's id
 */
export async function send(path: string, body: object): Promise<string> {
  const headers = { 'idempotency-key': crypto.randomUUID() }
  for (let waitMs = 250; ; waitMs *= 2) {
    try {
      const response = await call('POST', path, { ...body, stream_tokens: true, include_compaction_messages: true }, headers)
      await response.body?.cancel()
      return response.headers.get('x-letta-run-id')!
    } catch (error) {
      if (!(error instanceof Unreachable) || waitMs > 4000) throw error
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

/** The address of a stream for an EventSource, which sends no headers: a ticket stands in for the key. */
export async function streamAddress(path: string, startingAfter: string | undefined): Promise<string> {
  const query = new URLSearchParams()
  if (startingAfter !== undefined) query.set('starting_after', startingAfter)
  if (key.value !== undefined) {
    const { ticket } = await api.post<{ ticket: string }>(path.replace(/stream$/, 'tickets'))
    query.set('ticket', ticket)
  }
  return query.size > 0 ? `${path}?${query}` : path
}

async function call(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Response> {
  const headers: Record<string, string> = { ...more }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (key.value !== undefined) headers['authorization'] = `Bearer ${key.value}`
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  const response = await fetch(path, init).catch((error: unknown) => {
    throw new Unreachable(error)
  })
  if (response.ok) return response
  if (response.status === 401) refuseKey()
  throw new ApiError(response.status, wordsOf(await response.text()) ?? `The server answers ${response.status}.`)
}

/** What the server says is wrong: a sentence, or a list of fields with what is wrong with each. */
function wordsOf(text: string): string | undefined {
  let detail: unknown
  try {
    detail = (JSON.parse(text) as { detail?: unknown }).detail
  } catch {
    return undefined
  }
  if (typeof detail === 'string') return detail
  if (Array.isArray(detail)) {
    const wrong = detail as { loc: (string | number)[]; msg: string }[]
    return wrong.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`).join('; ')
  }
  return (detail as { message?: string } | undefined)?.message
}

/** What a person is told of any failure. */
export const wordsFor = (error: unknown): string => (error instanceof Error ? error.message : String(error))
