import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { anthropicDialect, openAiDialect, type Dialect, type Piece, type ScriptedUsage } from './scripted-dialects.ts'
import { complaint } from './scripted-rules.ts'

export interface Answer {
  text?: string
  reasoning?: string
  /** Anthropic only, after the reasoning. */
  signature?: string
  /** Anthropic only: the data of a redacted thinking block, before all else. */
  redacted?: string
  toolCalls?: { id?: string; name: string; arguments: string }[]
  usage?: ScriptedUsage
  /** OpenAI's word for it; by default what fits. */
  finish?: 'stop' | 'tool_calls' | 'length' | 'content_filter'
  /** Characters per network chunk; by default it is a word. */
  chunk?: number
  /** Before each chunk. */
  delayMs?: number
  /** After so many chunks and half of the next the socket is destroyed. */
  cutAfter?: number
}

export type Reply =
  | Answer
  | { status: number; body?: unknown; headers?: Record<string, string> }
  /** A head and then nothing; with `noHead` nothing at all. */
  | { silent: true; noHead?: boolean }
  /** These bytes, each a network chunk. `cut`: the socket is destroyed behind them. */
  | { raw: (string | Uint8Array)[]; contentType?: string; cut?: boolean; open?: boolean }
  | Held

export interface ScriptedRequest {
  path: string
  headers: IncomingHttpHeaders
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  body: any
  /** The same for two requests on one connection. */
  port: number | undefined
  /** When the connection of this answer is closed, by whomever. */
  closed: Promise<void>
}

type Script = (body: ScriptedRequest['body'], n: number) => Reply | Promise<Reply>

export type ScriptedProvider = Awaited<ReturnType<typeof scriptedProvider>>

const hello: Script = (body) => ({ text: `Hello from ${body?.model ?? 'nobody'}.` })

/** A server on loopback that answers as OpenAI's chat completions and Anthropic's messages do, as told. */
export async function scriptedProvider() {
  const requests: ScriptedRequest[] = []
  const queue: Reply[] = []
  const waiting: (() => void)[] = []
  let script = hello
  const state = { models: ['scripted-small', 'scripted-large'] }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    if (request.method === 'GET')
      return json(response, 200, { object: 'list', data: state.models.map((id) => ({ id, object: 'model' })) })
    const text = await textOf(request)
    const body = JSON.parse(text || '{}')
    const closed = new Promise<void>((resolve) => response.once('close', resolve))
    requests.push({ path, headers: request.headers, body, port: request.socket.remotePort, closed })
    for (const wake of waiting.splice(0)) wake()
    const dialect = path.endsWith('/messages') ? anthropicDialect(body.model) : openAiDialect(body.model)
    const wrong = complaint(path, body)
    if (wrong) return json(response, 400, dialect.error(wrong))
    await send(response, dialect, queue.shift() ?? (await script(body, requests.length)))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(error)
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const origin = `http://127.0.0.1:${address.port}`

  return {
    /** The base address, as both makers have it. */
    url: `${origin}/v1`,
    /** In the order in which they came. */
    requests,
    /** Resolves when `count` requests have come. */
    async received(count: number): Promise<void> {
      while (requests.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    /** The next replies, in order; or what answers whenever there are none of these left. */
    script(next: Script | Reply[]): void {
      if (typeof next === 'function') script = next
      else queue.push(...next)
    },
    /** The next reply, sent by hand. */
    hold(): Held {
      const held = new Held()
      queue.push(held)
      return held
    },
    set models(names: string[]) {
      state.models = names
    },
    async close(): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** An answer that comes as the test says: interleaving without time. */
export class Held {
  readonly #steps: (Piece | 'finish' | 'cut')[] = []
  #wake: (() => void) | undefined

  push(text: string): void {
    this.step({ text })
  }
  step(step: Piece | 'finish' | 'cut'): void {
    this.#steps.push(step)
    this.#wake?.()
  }
  finish(): void {
    this.step('finish')
  }
  cut(): void {
    this.step('cut')
  }
  async next(): Promise<Piece | 'finish' | 'cut'> {
    while (this.#steps.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#steps.shift()!
  }
}

async function send(response: ServerResponse, dialect: Dialect, reply: Reply): Promise<void> {
  if ('status' in reply)
    return json(response, reply.status, reply.body ?? dialect.error(`scripted ${reply.status}`), reply.headers)
  if ('silent' in reply) {
    if (!reply.noHead) openStream(response)
    return
  }
  if ('raw' in reply) {
    openStream(response, reply.contentType)
    for (const bytes of reply.raw) await write(response, bytes)
    if (reply.cut) response.destroy()
    else if (!reply.open) response.end()
    return
  }
  openStream(response)
  if (reply instanceof Held) return sendHeld(response, dialect, reply)
  return sendAnswer(response, dialect, reply)
}

async function sendHeld(response: ServerResponse, dialect: Dialect, held: Held): Promise<void> {
  let called = false
  await write(response, dialect.begin())
  for (;;) {
    const step = await held.next()
    if (step === 'cut') return void response.destroy()
    if (step === 'finish') return void response.end(dialect.end(called ? 'tool_calls' : 'stop'))
    called ||= 'call' in step
    await write(response, dialect.piece(step))
  }
}

async function sendAnswer(response: ServerResponse, dialect: Dialect, answer: Answer): Promise<void> {
  let left = answer.cutAfter ?? Infinity
  await write(response, dialect.begin(answer.usage))
  for (const piece of piecesOf(answer)) {
    if (response.destroyed) return
    if (answer.delayMs) await sleep(answer.delayMs)
    const bytes = dialect.piece(piece)
    if (left-- <= 0) {
      await write(response, bytes.slice(0, bytes.length / 2))
      return void response.destroy()
    }
    await write(response, bytes)
  }
  if (left <= 0) return void response.destroy()
  response.end(dialect.end(answer.finish ?? (answer.toolCalls ? 'tool_calls' : 'stop'), answer.usage))
}

function* piecesOf({ text = '', reasoning = '', signature, redacted, toolCalls = [], chunk }: Answer): Generator<Piece> {
  const split = (whole: string) => (chunk ? whole.match(new RegExp(`[^]{1,${chunk}}`, 'gu')) : whole.match(/\S+\s*|\s+/g)) ?? []
  if (redacted !== undefined) yield { redacted }
  for (const part of split(reasoning)) yield { reasoning: part }
  if (signature !== undefined) yield { signature }
  for (const part of split(text)) yield { text: part }
  for (const [index, call] of toolCalls.entries()) {
    yield { call: { index, id: call.id ?? `call_${index + 1}`, name: call.name } }
    for (const part of split(call.arguments)) yield { index, arguments: part }
  }
}

function openStream(response: ServerResponse, contentType = 'text/event-stream; charset=utf-8'): void {
  response.writeHead(200, { 'content-type': contentType })
  response.flushHeaders()
}

/** Resolves when the bytes have left, and a turn later, so that the next ones are another network chunk. */
async function write(response: ServerResponse, bytes: string | Uint8Array): Promise<void> {
  if (response.destroyed) return
  await new Promise<void>((resolve) => response.write(bytes, () => resolve()))
  await turn()
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}
