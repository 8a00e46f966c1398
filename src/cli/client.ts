import { readClientConfig } from '../config.ts'
import type { Given } from './command.ts'

/** No server answers, or it says that it will be there again: the same may be asked later. */
export class Unreachable extends Error {}

/** The server refused; the message is what it said. */
export class ServerRefusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface Client {
  url: string
  /** @throws {ServerRefusal} {Unreachable} */
  get<T>(path: string): Promise<T>
  send<T>(method: 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>
  /** The raw answer, once it is a good one. */
  open(
    method: string,
    path: string,
    init?: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>
  /** Every row of a list that has cursors. */
  all<T extends { id: string }>(path: string): Promise<T[]>
}

/** The options of every command that talks to a server. */
export const clientOptions = {
  url: { type: 'string', help: 'where the server is; ROUNDTABLE_URL, by default http://127.0.0.1:8283' },
} as const

export const clientOf = ({ text }: Given): Client => {
  const { url, apiKey } = readClientConfig(undefined, { ROUNDTABLE_URL: text('url') })
  return connectTo(url, apiKey)
}

const PAGE = 100

/** A server that is spoken to over HTTP; a key may do what it may do there. */
export function connectTo(url: string, apiKey?: string): Client {
  const open: Client['open'] = async (method, path, { body, headers, signal } = {}) => {
    let answer: Response
    try {
      answer = await fetch(url + path, {
        method,
        headers: {
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      })
    } catch (cause) {
      signal?.throwIfAborted()
      throw new Unreachable(`No server answers at ${url}: start one with \`roundtable serve\`, or say where it is with --url`, {
        cause,
      })
    }
    if (answer.ok) return answer
    const said = messageOf(await answer.text())
    if (answer.status === 503) throw new Unreachable(said)
    throw new ServerRefusal(answer.status, `${method} ${path}: ${answer.status} ${said}`)
  }
  const json = async <T>(answer: Response): Promise<T> => (answer.status === 204 ? undefined : await answer.json()) as T
  const get = async <T>(path: string) => json<T>(await open('GET', path))
  return {
    url,
    get,
    open,
    send: async (method, path, body) => json(await open(method, path, { body })),
    async all<T extends { id: string }>(path: string) {
      const rows: T[] = []
      for (;;) {
        const after = rows.at(-1)
        const query = `order=asc&limit=${PAGE}${after ? `&after=${after.id}` : ''}`
        const page = await get<T[]>(`${path}${path.includes('?') ? '&' : '?'}${query}`)
        rows.push(...page)
        if (page.length < PAGE) return rows
      }
    },
  }
}

/** What a refusal says: its `detail`, which may be a list of what is wrong where. */
function messageOf(text: string): string {
  try {
    const { detail } = JSON.parse(text)
    if (!Array.isArray(detail)) return String(detail)
    return detail.map(({ loc, msg }: { loc: unknown[]; msg: string }) => `${loc.join('.')}: ${msg}`).join('; ')
  } catch {
    return text.slice(0, 200)
  }
}
