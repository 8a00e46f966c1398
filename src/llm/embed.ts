import { Agent } from 'undici'
import { z } from 'zod'
import type { ProviderSettings } from '../config/providers.ts'
import { connectionError } from './answer.ts'
import { fromStatus, type Origin, ProviderError } from './errors.ts'
import { limited } from './limited.ts'
import { retry, type RetryOptions } from './retry.ts'

/** Texts become vectors of one length, in the same order. */
export interface Embedding {
  /** @throws {ProviderError} @throws the signal's reason */
  (texts: string[], signal?: AbortSignal): Promise<number[][]>
  /** Its handle: vectors of another one cannot be compared with these. */
  model: string
  close(): Promise<void>
}

export interface EmbeddingOptions {
  /** For each request, to its end. */
  requestTimeoutMs: number
  /** Of an answer. */
  answerLimitBytes: number
  retry?: RetryOptions
}

const CONNECT_TIMEOUT_MS = 10_000
/** Texts in one request; OpenAI takes 2048, others less. */
const BATCH = 100
/** What a model takes is counted in tokens, 8000 of them usually: that much in any language. */
const TEXT_LIMIT = 8000

const Answer = z.object({ data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()).min(1) })) })

/**
 * The embedding model that a handle names, served as OpenAI does: `POST /embeddings`.
 *
 * @throws {Error} when none of the providers is meant, or it has no such interface
 */
export function createEmbedding(handle: string, providers: ProviderSettings[], options: EmbeddingOptions): Embedding {
  const slash = handle.indexOf('/')
  const provider = providers.find(({ name }) => name === handle.slice(0, slash))
  if (provider?.kind !== 'compatible') {
    const known = providers.flatMap(({ kind, name }) => (kind === 'compatible' ? [`${name}/<model>`] : []))
    throw new Error(`The embedding model ${handle} is of none of these: ${known.join(', ') || 'no provider is set'}`)
  }
  const { name, baseUrl, apiKey } = provider
  const origin: Origin = { name, endpoint: baseUrl, apiKey }
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } })
  const bounded = limited(agent, origin, options.answerLimitBytes)
  const url = new URL(baseUrl)
  const at = { origin: url.origin, path: `${url.pathname.replace(/\/$/, '')}/embeddings${url.search}`, method: 'POST' as const }
  const headers = { 'content-type': 'application/json', ...(apiKey && { authorization: `Bearer ${apiKey}` }) }

  async function ask(texts: string[], cancelled: AbortSignal): Promise<number[][]> {
    const late = AbortSignal.timeout(options.requestTimeoutMs)
    const input = texts.map((text) => text.slice(0, TEXT_LIMIT).toWellFormed())
    try {
      const body = JSON.stringify({ model: handle.slice(slash + 1), input, encoding_format: 'float' })
      const response = await bounded.request({ ...at, headers, body, signal: AbortSignal.any([cancelled, late]) })
      const text = await response.body.text()
      if (response.statusCode === 200) return vectorsOf(text, texts.length, origin)
      throw fromStatus(origin, response.statusCode, text, response.headers['retry-after']?.toString())
    } catch (error) {
      cancelled.throwIfAborted()
      if (error instanceof ProviderError) throw error
      if (late.aborted) throw new ProviderError('timeout', origin, { detail: `no answer in ${options.requestTimeoutMs} ms` })
      throw connectionError(origin, error)
    }
  }

  async function embed(texts: string[], signal: AbortSignal = new AbortController().signal): Promise<number[][]> {
    const vectors: number[][] = []
    for (let from = 0; from < texts.length; from += BATCH) {
      vectors.push(...(await retry(() => ask(texts.slice(from, from + BATCH), signal), signal, options.retry)))
    }
    return vectors
  }
  return Object.assign(embed, { model: handle, close: () => agent.destroy() })
}

/** In the order of the texts, whatever the order of the answer. */
function vectorsOf(text: string, count: number, origin: Origin): number[][] {
  const { data } = Answer.safeParse(parse(text)).data ?? { data: [] }
  const vectors = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding)
  const whole = vectors.length === count && vectors.every(({ length }) => length === vectors[0]!.length)
  if (!whole) throw new ProviderError('malformed', origin, { detail: `not one vector for each of ${count} texts` })
  return vectors
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
