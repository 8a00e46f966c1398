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
import type { Delta, Hear, ModelCall } from './provider.ts'
import { retryUnheard } from './retry.ts'
import { maySayNothing } from './usage.ts'

type Fetch = typeof globalThis.fetch

const CONNECT_TIMEOUT_MS = 10_000
const LIST_TIMEOUT_MS = 5000
/** How long the connection may stay open behind a whole answer. */
const REST_MS = 5000
/** Parts that show that the model has begun: the start of a block that says nothing yet does, a ping does not. */
const begins = /^(text|reasoning|tool-input)-|^tool-call$/

/** Anthropic's list, or Google's. */
const Listed = z.object({
  data: z.array(z.object({ id: z.string() })).optional(),
  models: z.array(z.object({ name: z.string(), supportedGenerationMethods: z.array(z.string()).optional() })).optional(),
})

/** Each maker's package is read when its first model speaks: together they are a fifth of all that a start would read. */
const makers = {
  anthropic: {
    async model(name: string, baseURL: string, apiKey: string, fetch: Fetch) {
      const { createAnthropic } = await import('@ai-sdk/anthropic')
      return createAnthropic({ baseURL, apiKey, fetch }).languageModel(name)
    },
    listPath: '/models?limit=1000',
    headers: (apiKey: string) => ({ 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' }),
    known: ['claude-haiku-4-5', 'claude-opus-4-5', 'claude-sonnet-4-5'],
  },
  google: {
    async model(name: string, baseURL: string, apiKey: string, fetch: Fetch) {
      const { createGoogle } = await import('@ai-sdk/google')
      return createGoogle({ baseURL, apiKey, fetch }).languageModel(name)
    },
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

  async function ask(call: ModelCall, hear: Hear): Promise<void> {
    const timeouts = thinksUnseen(kind, call) ? forSilentThinker(options) : options
    const model = await maker.model(call.model, baseUrl, apiKey, fetch)
    await new SdkAnswer(kind, origin, call, timeouts, hear).from(model)
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

    stream: (call, hear) => retryUnheard(ask, call, hear, options.retry),

    close: () => agent.destroy(),
  }
}

/** One `doStream`. All parts of one turn of the event loop are one batch: as near to a network chunk as the SDK lets us see. */
class SdkAnswer {
  readonly #origin: Origin
  readonly #call: ModelCall
  readonly #maker: Maker
  readonly #hear: Hear
  readonly #deadlines: Deadlines
  readonly #stop = new AbortController()
  readonly #whole = Promise.withResolvers<void>()
  #batch: Delta[] = []
  #telling: NodeJS.Immediate | undefined
  /** The listener's last wish for time. */
  #held: Promise<void> | undefined
  #settled = false

  constructor(maker: Maker, origin: Origin, call: ModelCall, timeouts: Timeouts, hear: Hear) {
    this.#maker = maker
    this.#origin = origin
    this.#call = call
    this.#hear = hear
    this.#deadlines = new Deadlines(timeouts, (what) => this.#fail(new ProviderError('timeout', origin, { detail: what })))
    call.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Resolves when all of the answer was heard. @throws as {@link Provider.stream} does */
  async from(model: LanguageModelV4): Promise<void> {
    // An abort shows in many ways, none of them telling, and late (stack.md §2): what has failed first counts.
    this.#read(model).then(this.#whole.resolve, (error: unknown) => this.#fail(sdkFailure(this.#origin, error)))
    try {
      await this.#whole.promise
    } finally {
      this.#settle()
    }
  }

  async #read(model: LanguageModelV4): Promise<void> {
    const parts = new SdkParts(this.#maker, this.#origin, { maySayNothing: maySayNothing(this.#call) })
    const { stream } = await model.doStream(sdkCall(this.#maker, this.#call, this.#stop.signal))
    const reader = stream.getReader()
    while (!parts.finished) {
      const { done, value } = await reader.read()
      if (this.#held) await this.#pause(this.#held)
      if (this.#settled) return
      if (done) throw new ProviderError('connection', this.#origin, { detail: 'the answer was cut off before its end' })
      this.#deadlines.heard(begins.test(value.type))
      parts.read(value, this.#batch)
      if (this.#batch.length > 0) this.#telling ??= setImmediate(this.#tell)
    }
    void this.#readRest(reader)
    this.#tell()
    await this.#held
  }

  readonly #tell = () => {
    clearImmediate(this.#telling)
    this.#telling = undefined
    if (this.#settled || this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    try {
      this.#held = this.#hear(batch)
      this.#held?.catch((error: unknown) => this.#fail(error))
    } catch (error) {
      this.#fail(error)
    }
  }

  async #pause(held: Promise<void>): Promise<void> {
    this.#deadlines.pause()
    await held
    if (this.#held === held) this.#held = undefined
    this.#deadlines.resume()
  }

  readonly #onAbort = () => this.#fail(this.#call.signal.reason)

  /** What came before it is heard. */
  #fail(error: unknown): void {
    if (this.#settled) return
    this.#whole.reject(error)
    if (!this.#call.signal.aborted) this.#tell()
    this.#stop.abort()
    this.#settle()
  }

  #settle(): void {
    this.#settled = true
    this.#call.signal.removeEventListener('abort', this.#onAbort)
    this.#deadlines.stop()
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
}
