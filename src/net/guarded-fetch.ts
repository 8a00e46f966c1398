import type { Dispatcher } from 'undici'
import { guardedAgent, type GuardOptions, NotPublic } from './guarded-agent.ts'

export interface GuardedFetchOptions extends GuardOptions {
  /** From the first look-up to the last byte, redirects included. */
  timeoutMs: number
  /** Of a body. */
  limitBytes: number
}

export interface Fetched {
  /** One of those that were asked for, without parameters. */
  type: string
  bytes: Buffer
}

export interface GetOptions {
  /** Content types that are taken. */
  types: readonly string[]
  /** Told of each piece of a body as it comes; what it throws ends the fetch. */
  onBytes?: (count: number) => void
  signal?: AbortSignal
}

/** The message is the reason, for whoever gave us the address. */
export class FetchFailed extends Error {}

export type GuardedFetch = ReturnType<typeof guardedFetch>

const MAX_REDIRECTS = 3
const redirects = new Set([301, 302, 303, 307, 308])

/**
 * Gets what others point us at (streaming.md §10.3): http(s) without credentials, from public hosts only, each redirect checked
 * as the first address was, within bounds of time and size that are enforced while reading.
 */
export function guardedFetch({ timeoutMs, limitBytes, ...guard }: GuardedFetchOptions) {
  const agent = guardedAgent(guard)
  const tooLarge = `it is larger than ${limitBytes} bytes`

  async function follow(from: URL, types: readonly string[], signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    let url = from
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      check(url)
      const answer = await agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { accept: types.join(', ') },
        signal,
      })
      const location = answer.headers['location']
      if (!redirects.has(answer.statusCode) || typeof location !== 'string') return answer
      await answer.body.dump()
      if (!URL.canParse(location, url.href)) throw new FetchFailed('it redirects to what is no address')
      url = new URL(location, url)
    }
    throw new FetchFailed(`it redirects more than ${MAX_REDIRECTS} times`)
  }

  async function read(body: AsyncIterable<Buffer>, onBytes: GetOptions['onBytes']): Promise<Buffer> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      size += chunk.length
      if (size > limitBytes) throw new FetchFailed(tooLarge)
      onBytes?.(chunk.length)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  function wrongWith({ statusCode, headers }: Dispatcher.ResponseData, type: string, types: readonly string[]) {
    if (statusCode !== 200) return `it answers with HTTP ${statusCode}`
    if (!types.includes(type)) return `its content type is ${type || 'not given'}, not one of ${types.join(', ')}`
    return Number(headers['content-length'] ?? 0) > limitBytes ? tooLarge : undefined
  }

  async function load(from: URL, { types, onBytes }: GetOptions, signal: AbortSignal): Promise<Fetched> {
    const answer = await follow(from, types, signal)
    const type = essence(answer.headers['content-type'])
    const wrong = wrongWith(answer, type, types)
    if (wrong === undefined) return { type, bytes: await read(answer.body, onBytes) }
    await answer.body.dump()
    throw new FetchFailed(wrong)
  }

  return {
    /** @throws {FetchFailed} @throws the signal's reason when it aborts */
    async get(url: URL, options: GetOptions): Promise<Fetched> {
      const { signal } = options
      signal?.throwIfAborted()
      const stop = new AbortController()
      const timer = setTimeout(() => stop.abort(new FetchFailed('it took too long')), timeoutMs)
      const onAbort = () => stop.abort(signal!.reason)
      signal?.addEventListener('abort', onAbort)
      try {
        return await Promise.race([load(url, options, stop.signal), aborted(stop.signal)])
      } catch (error) {
        signal?.throwIfAborted()
        throw reasonOf(error)
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
    },

    close: () => agent.destroy(),
  }
}

/** undici hears of an abort only once it is connected, so what waits for a name or a connection is left behind. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

function check({ protocol, username, password }: URL): void {
  if (protocol !== 'http:' && protocol !== 'https:') throw new FetchFailed('it redirects to neither http nor https')
  if (username !== '' || password !== '') throw new FetchFailed('there are credentials in its address')
}

const essence = (header: string | string[] | undefined): string =>
  (typeof header === 'string' ? header : '').split(';')[0]!.trim().toLowerCase().slice(0, 100)

/** What went wrong below us, in words that say nothing about the inside of our network. */
function reasonOf(error: unknown): unknown {
  if (error instanceof FetchFailed) return error
  if (error instanceof NotPublic) return new FetchFailed(error.message)
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  // What the caller threw, or a mistake of ours.
  if (code === '') return error
  return new FetchFailed(words[code] ?? `the connection failed (${code})`, { cause: error })
}

const words: Record<string, string> = {
  ENOTFOUND: 'its host is not known',
  EAI_AGAIN: 'its host is not known',
  UND_ERR_CONNECT_TIMEOUT: 'it took too long',
}
