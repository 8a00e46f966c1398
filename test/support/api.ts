import { expect } from 'vitest'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Group } from '../../src/wire/group.ts'
import { contract, type Contract, contractOf, type Document } from './contract.ts'

export interface Answer<T> {
  status: number
  headers: Headers
  body: T
}

/** Calls the server as a client would; every JSON answer is held against the published contract and the server's own document. */
export interface Api {
  call<T = unknown>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer<T>>
  get<T = unknown>(path: string): Promise<T>
  post<T = unknown>(path: string, body?: unknown): Promise<T>
  patch<T = unknown>(path: string, body?: unknown): Promise<T>
  agent(create?: Record<string, unknown>): Promise<AgentState>
  /** A round-robin group of new agents with these names. */
  group(names: string[], create?: Record<string, unknown>): Promise<Group>
  /** The raw answer of a stream. */
  stream(path: string, body: unknown, init?: RequestInit): Promise<Response>
}

const published = contract()

/** What the server says of its answers; it says the same wherever it runs. */
let own: Promise<Contract> | undefined
const ownContract = async (url: string) => contractOf((await (await fetch(`${url}/openapi.json`)).json()) as Document)

/** @param always headers of every request, e.g. a key */
export function apiAt(url: string, always: Record<string, string> = {}): Api {
  const call: Api['call'] = async (method, path, body, headers) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...always, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const parsed = text === '' ? undefined : JSON.parse(text)
    const described = await (own ??= ownContract(url))
    for (const [name, document] of [
      ['the contract', published],
      ['/openapi.json', described],
    ] as const) {
      const faults = document?.validate(method, path.split('?')[0]!, response.status, parsed)
      if (faults) expect(faults, `${method} ${path} against ${name}`).toEqual([])
    }
    return { status: response.status, headers: response.headers, body: parsed }
  }
  const good = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await call<T>(method, path, body)
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(200)
    return answer.body
  }
  const api: Api = {
    call,
    get: (path) => good('GET', path),
    post: (path, body = {}) => good('POST', path, body),
    patch: (path, body) => good('PATCH', path, body),
    agent: (create = {}) => api.post('/v1/agents/', { include_base_tools: false, ...create }),
    async group(names, create = {}) {
      const agents = await Promise.all(names.map((name) => api.agent({ name })))
      return await api.post('/v1/groups/', { agent_ids: agents.map(({ id }) => id), description: 'a test', ...create })
    },
    stream: (path, body, init) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...always },
        body: JSON.stringify(body),
        ...init,
      }),
  }
  return api
}
