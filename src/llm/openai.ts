import { Agent } from 'undici'
import { z } from 'zod'
import { Answer } from './answer.ts'
import { contextWindow } from './context-window.ts'
import { forSilentThinker, type Timeouts } from './deadlines.ts'
import { directConnector } from './direct-socket.ts'
import type { Origin } from './errors.ts'
import { limited } from './limited.ts'
import { ChatChunks } from './openai-chunks.ts'
import { chatRequest, isReasoner } from './openai-request.ts'
import type { Hear, ModelCall, Provider } from './provider.ts'
import { retryUnheard, type RetryOptions } from './retry.ts'
import { maySayNothing } from './usage.ts'

export interface ProviderOptions extends Timeouts {
  /** Of a whole answer; one that is longer is given up. */
  answerLimitBytes: number
  retry?: RetryOptions
}

export interface ClosableProvider extends Provider {
  /** Calls that still run are cut off. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 10_000
const LIST_TIMEOUT_MS = 5000

const Listed = z.object({ data: z.array(z.object({ id: z.string() })) })
/** What `GET /models` lists beside the models that converse. */
const notChat = /embed|whisper|tts|dall-e|moderation|audio|realtime|image|sora|davinci|babbage|transcribe|rerank/i

/** Whoever speaks OpenAI's chat completions: OpenAI, OpenRouter, Groq, Ollama, vLLM … by their base address. */
export function openAiCompatible(
  { name, baseUrl, apiKey }: { name: string; baseUrl: string; apiKey?: string | undefined },
  options: ProviderOptions,
): ClosableProvider {
  const origin: Origin = { name, endpoint: baseUrl, apiKey }
  const connect = directConnector({ timeout: CONNECT_TIMEOUT_MS })
  const agent = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0, connect })
  const auth = apiKey ? { authorization: `Bearer ${apiKey}` } : {}
  const at = (path: string) => {
    const url = new URL(baseUrl)
    return { origin: url.origin, path: `${url.pathname.replace(/\/$/, '')}${path}${url.search}` }
  }

  async function ask(call: ModelCall, hear: Hear): Promise<void> {
    const hidesReasoning = name === 'openai' && isReasoner(call.model)
    const chunks = new ChatChunks(origin, { hidesReasoning, maySayNothing: maySayNothing(call) })
    const timeouts = hidesReasoning ? forSilentThinker(options) : options
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream', ...auth }
    const answer = new Answer(chunks, { ...options, ...timeouts, origin, signal: call.signal, hear })
    // The body is long, and not needed once it is sent.
    const send = () => {
      const body = JSON.stringify(chatRequest(call, baseUrl))
      agent.dispatch({ ...at('/chat/completions'), method: 'POST', headers, body }, answer)
    }
    await answer.to(send)
  }

  return {
    name,
    type: name,
    endpoint: baseUrl,
    contextWindow,

    async list() {
      try {
        const signal = AbortSignal.timeout(LIST_TIMEOUT_MS)
        const { statusCode, body } = await limited(agent, origin, options.answerLimitBytes).request({
          ...at('/models'),
          method: 'GET',
          headers: auth,
          signal,
        })
        const listed = Listed.parse(await body.json())
        return statusCode === 200
          ? listed.data
              .map(({ id }) => id)
              .filter((id) => !notChat.test(id))
              .toSorted()
          : []
      } catch {
        return []
      }
    },

    stream: (call, hear) => retryUnheard(ask, call, hear, options.retry),

    close: () => agent.destroy(),
  }
}
