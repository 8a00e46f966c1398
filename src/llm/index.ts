import type { ProviderSettings } from '../config/providers.ts'
import { InvalidArgument } from '../errors.ts'
import { aiSdk } from './ai-sdk.ts'
import { demo } from './demo.ts'
import { UnknownHandle } from './errors.ts'
import { openAiCompatible, type ClosableProvider, type ProviderOptions } from './openai.ts'
import type { Provider } from './provider.ts'

export interface ListedModel {
  /** `provider/model`. */
  handle: string
  provider: Provider
  model: string
  contextWindow: number
}

export interface Providers {
  /**
   * Who serves a handle. A name that the provider does not list is accepted: it may be newer than the list.
   *
   * @throws {InvalidArgument} for what is not `provider/model` @throws {UnknownHandle}
   */
  resolve(handle: string): { provider: Provider; model: string }
  /** All models of all providers, in the order of the settings. What each says is kept for a minute. */
  list(): Promise<ListedModel[]>
  close(): Promise<void>
}

export interface ProvidersOptions extends ProviderOptions {
  /** The pace of the built-in model; undefined when there is to be none. */
  demoTokenMs: number | undefined
}

const LIST_KEPT_MS = 60_000

/** A new maker is one file and one line here. */
function create(settings: ProviderSettings, options: ProviderOptions): ClosableProvider {
  return settings.kind === 'compatible'
    ? openAiCompatible(settings, options)
    : aiSdk({ ...settings, kind: settings.kind }, options)
}

export function createProviders(settings: ProviderSettings[], { demoTokenMs, ...options }: ProvidersOptions): Providers {
  const closable = settings.map((one) => create(one, options))
  const all: Provider[] = demoTokenMs === undefined ? closable : [...closable, demo({ tokenMs: demoTokenMs })]
  const byName = new Map(all.map((provider) => [provider.name, provider]))
  const listOf = new Map(all.map((provider) => [provider, remembered(() => provider.list())]))

  return {
    resolve(handle) {
      const slash = handle.indexOf('/')
      if (slash < 1 || slash === handle.length - 1) {
        throw new InvalidArgument(
          `INVALID_ARGUMENT: The model handle ${JSON.stringify(handle)} is not of the form provider/model`,
        )
      }
      const provider = byName.get(handle.slice(0, slash))
      if (!provider)
        throw new UnknownHandle(
          handle,
          all.map(({ name }) => (name === 'demo' ? 'demo/chat' : `${name}/<model>`)),
        )
      return { provider, model: handle.slice(slash + 1) }
    },

    async list() {
      const lists = await Promise.all(
        [...listOf].map(async ([provider, list]) => (await list()).map((model) => listed(provider, model))),
      )
      return lists.flat()
    },

    async close() {
      await Promise.all(closable.map((provider) => provider.close()))
    },
  }
}

const listed = (provider: Provider, model: string): ListedModel => ({
  handle: `${provider.name}/${model}`,
  provider,
  model,
  contextWindow: provider.contextWindow(model),
})

/** One call serves all who ask within a minute. */
function remembered<T>(get: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined
  let untilMs = 0
  return () => {
    if (!value || performance.now() > untilMs) {
      value = get()
      untilMs = performance.now() + LIST_KEPT_MS
    }
    return value
  }
}
