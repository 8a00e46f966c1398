import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import type { LanguageModelV4 } from '@ai-sdk/provider'
import type { ReadableStreamDefaultReader } from 'node:stream/web'
import { Agent, fetch as undiciFetch } from 'undici'
import { z } from 'zod'
import { SdkParts, sdkFailure } from './ai-sdk-parts.ts'
import { sdkCall, thinksUnseen, type Maker } from './ai-sdk-prompt.ts'
import { contextWindow } from './context-window.ts'
import { Deadlines, forSilentThinker, type Timeouts } from './deadlines.ts'
import { ProviderError, type Origin } from './errors.ts'
import { limited } from './limited.ts'
import type { ClosableProvider, ProviderOptions } from './openai.ts'
import type { Delta, ModelCall } from './provider.ts'
import { retry } from './retry.ts'
import { maySayNothing } from './usage.ts'

type Fetch = typeof globalThis.fetch

const CONNECT_TIMEOUT_MS = 10_000
const LIST_TIMEOUT_MS = 5000
/** How long the connection may stay open behind a whole answer. */
const REST_MS = 5000
/** Parts that wait for the consumer before the stream is left alone. */
const QUEUE_LIMIT = 64
/** Parts that show that the model has begun: the start of a block that says nothing yet does, a ping does not. */
const begins = /^(text|reasoning|tool-input)-|^tool-call$/

/** Anthropic's list, or Google's. */
const Listed = z.object({
  data: z.array(z.object({ id: z.string() })).optional(),
  models: z.array(z.object({ name: z.string(), supportedGenerationMethods: z.array(z.string()).optional() })).optional(),
})

const makers = {
  anthropic: {
    model: (name: string, baseURL: string, apiKey: string, fetch: Fetch) =>
      createAnthropic({ baseURL, apiKey, fetch }).languageModel(name),
    listPath: '/models?limit=1000',
    headers: (apiKey: string) => ({ 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' }),
    known: ['claude-haiku-4-5', 'claude-opus-4-5', 'claude-sonnet-4-5'],
  },
  google: {
    model: (name: string, baseURL: string, apiKey: string, fetch: Fetch) =>
      createGoogle({ baseURL, apiKey, fetch }).languageModel(name),
    listPath: '/models?pageSize=1000',
    headers: (apiKey: string) => ({ 'x-goog-api-key': apiKey }),
    known: ['gemini-2.5-flash', 'gemini-2.5-pro'],
  },
} satisfies Record<Maker, unknown>

/** Anthropic and Google, by the AI SDK's provider packages alone: they know the dialects; waiting, retrying and failing are ours. */
export function aiSdk(
  { kind, name, baseUrl, apiKey }: { kind: Maker; name: string; baseUrl: string; apiKey: string },
  options: ProviderOptions,
): ClosableProvider {
  const origin: Origin = { name, endpoint: baseUrl, apiKey }
  const maker = makers[kind]
  const agent = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } })
  const dispatcher = limited(agent, origin, options.answerLimitBytes)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- undici's own fetch has its own names for the same types
  const fetch = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as unknown as Fetch

  /** Resolves once the first deltas are there. */
  async function open(call: ModelCall): Promise<{ first: Delta[] | undefined; answer: SdkAnswer }> {
    const answer = new SdkAnswer(kind, origin, call, thinksUnseen(kind, call) ? forSilentThinker(options) : options)
    try {
      void answer.run(maker.model(call.model, baseUrl, apiKey, fetch))
      return { first: await answer.next(), answer }
    } catch (error) {
      answer.close()
      call.signal.throwIfAborted()
      throw error
    }
  }

  return {
    name,
    type: name,
    endpoint: baseUrl,
    contextWindow,

    async list() {
      try {
        const signal = AbortSignal.timeout(LIST_TIMEOUT_MS)
        const response = await fetch(baseUrl + maker.listPath, { headers: maker.headers(apiKey), signal })
        const body = Listed.parse(await response.json())
        const chat = body.models?.filter(({ supportedGenerationMethods: can }) => can?.includes('generateContent') ?? true)
        const found = body.data?.map(({ id }) => id) ?? chat?.map(({ name: path }) => path.replace(/^models\//, ''))
        return response.ok && found ? found.toSorted() : maker.known
      } catch {
        return maker.known
      }
    },

    async *stream(call) {
      const { first, answer } = yield* retry(() => open(call), call.signal, options.retry)
      try {
        for (let batch = first; batch; batch = await answer.next()) yield batch
      } finally {
        answer.close()
      }
    },

    close: () => agent.destroy(),
  }
}

/** One `doStream`. All parts of one turn of the event loop are one batch: as near to a network chunk as the SDK lets us see. */
class SdkAnswer {
  readonly #kind: Maker
  readonly #origin: Origin
  readonly #call: ModelCall
  readonly #deadlines: Deadlines
  readonly #stop = new AbortController()
  #queue: Delta[] = []
  #failure: ProviderError | undefined
  #ended = false
  #rousing = false
  #wake: (() => void) | undefined
  #drained: (() => void) | undefined

  constructor(kind: Maker, origin: Origin, call: ModelCall, timeouts: Timeouts) {
    this.#kind = kind
    this.#origin = origin
    this.#call = call
    this.#deadlines = new Deadlines(timeouts, (what) => this.#onLate(what))
    call.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Reads to the end; never throws. */
  async run(model: LanguageModelV4): Promise<void> {
    const parts = new SdkParts(this.#kind, this.#origin, { maySayNothing: maySayNothing(this.#call) })
    try {
      const { stream } = await model.doStream(sdkCall(this.#kind, this.#call, this.#stop.signal))
      const reader = stream.getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done || this.#ended) break
        this.#deadlines.heard(begins.test(value.type))
        parts.read(value, this.#queue)
        if (this.#queue.length > 0) this.#rouseSoon()
        if (parts.finished) {
          void this.#readRest(reader)
          break
        }
        if (this.#queue.length >= QUEUE_LIMIT) await this.#drain()
      }
      if (!parts.finished)
        throw new ProviderError('connection', this.#origin, { detail: 'the answer was cut off before its end' })
      this.#ended = true
    } catch (error) {
      // An abort shows in many ways, none of them telling: next() asks the signal (stack.md §2).
      this.#failure ??= sdkFailure(this.#origin, error)
    }
    this.#deadlines.stop()
    this.#rouse()
  }

  /** The next batch; undefined at the end. @throws {ProviderError} @throws the signal's reason, at once */
  async next(): Promise<Delta[] | undefined> {
    for (;;) {
      this.#call.signal.throwIfAborted()
      if (this.#queue.length > 0) {
        const batch = this.#queue
        this.#queue = []
        this.#drained?.()
        return batch
      }
      if (this.#failure) throw this.#failure
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Whatever is not read yet is not wanted. */
  close(): void {
    this.#call.signal.removeEventListener('abort', this.#onAbort)
    this.#deadlines.stop()
    if (!this.#ended) this.#stop.abort()
    this.#ended = true
    this.#drained?.()
  }

  readonly #onAbort = () => {
    this.#stop.abort()
    this.#rouse()
  }

  /** So that the connection can serve again; one that does not end is closed. */
  async #readRest(reader: ReadableStreamDefaultReader<unknown>): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), REST_MS).unref()
    try {
      while (!(await reader.read()).done);
    } catch {
      // The answer was complete: what breaks now hurts nobody.
    }
    clearTimeout(timer)
  }

  async #drain(): Promise<void> {
    this.#deadlines.pause()
    await new Promise<void>((resolve) => (this.#drained = resolve))
    this.#deadlines.resume()
  }

  #onLate(what: string): void {
    this.#failure ??= new ProviderError('timeout', this.#origin, { detail: what })
    this.#stop.abort()
    this.#rouse()
  }

  #rouseSoon(): void {
    if (this.#rousing) return
    this.#rousing = true
    setImmediate(() => {
      this.#rousing = false
      this.#rouse()
    })
  }

  #rouse(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
