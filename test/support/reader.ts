import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request as open } from 'node:http'
import { onTestFinished } from 'vitest'
import type { Api } from './api.ts'
import type { ScriptedProvider } from './scripted-provider.ts'

/** A frame as it came, byte for byte; without an id it is one that is not stored. */
export interface Seen {
  id: number | undefined
  text: string
}

/** `end`: the server ended the answer. `cut`: the connection broke before that. `closed`: by us. */
export type ReaderEnd = 'end' | 'cut' | 'closed'

export interface Reader {
  status: number
  headers: IncomingHttpHeaders
  /** In ms: what the `retry:` lines said, which are no frames. */
  readonly retries: readonly number[]
  /** In the order of arrival; it grows. */
  readonly seen: readonly Seen[]
  /** What came behind the last blank line. */
  readonly rest: string
  readonly ended: Promise<ReaderEnd>
  /** @throws when the stream ends before `predicate` holds */
  until(predicate: (seen: readonly Seen[]) => boolean): Promise<void>
  /** Takes no more from the socket: the server's buffers fill up. */
  pause(): void
  resume(): void
  close(): void
}

export interface ReaderOptions {
  method?: string
  body?: unknown
  headers?: Record<string, string>
  /** For every frame, before `until` looks at it. */
  onFrame?: (frame: Seen) => void
}

/**
 * Reads Server-Sent Events as they are on the wire; resolves when the head is there. A frame counts as seen only when its blank
 * line has arrived. A connection of its own, and none of fetch's buffers. Closed after the test.
 */
export async function openReader(url: string, { method = 'GET', body, headers, onFrame }: ReaderOptions = {}): Promise<Reader> {
  const request = open(url, {
    method,
    agent: false,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  })
  onTestFinished(() => void request.destroy())
  request.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  // From here on the end of the connection is told by the response.
  request.on('error', () => {})

  const seen: Seen[] = []
  const retries: number[] = []
  const waiting = new Set<{ holds: () => boolean; settle: (error?: Error) => void }>()
  let bytes: Buffer = Buffer.alloc(0)
  let closed = false

  response.on('data', (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    let at = 0
    // A line feed is never part of another character in UTF-8, so frames are cut before they are decoded.
    for (let end = bytes.indexOf('\n\n'); end >= 0; end = bytes.indexOf('\n\n', at)) {
      const text = bytes.toString('utf8', at, end + 2)
      at = end + 2
      const retry = /^retry: (\d+)\n\n$/.exec(text)?.[1]
      if (retry !== undefined) {
        retries.push(Number(retry))
        continue
      }
      const id = /^id: (\d+)\n/.exec(text)?.[1]
      const frame = { id: id === undefined ? undefined : Number(id), text }
      seen.push(frame)
      onFrame?.(frame)
    }
    bytes = bytes.subarray(at)
    if (at > 0) for (const wait of waiting) if (wait.holds()) wait.settle()
  })
  response.on('error', () => {})
  const ended = new Promise<ReaderEnd>((resolve) =>
    response.once('close', () => resolve(closed ? 'closed' : response.complete ? 'end' : 'cut')),
  )
  void (async () => {
    const how = await ended
    for (const wait of waiting)
      wait.settle(new Error(`the stream ended (${how}) after ${seen.length} frames: ${seen.at(-1)?.text}`))
  })()

  return {
    status: response.statusCode!,
    headers: response.headers,
    retries,
    seen,
    get rest() {
      return bytes.toString('utf8')
    },
    ended,
    async until(predicate) {
      const holds = () => predicate(seen)
      if (holds()) return
      if (response.destroyed || response.complete) throw new Error(`the stream has ended after ${seen.length} frames`)
      await new Promise<void>((resolve, reject) => {
        const wait = {
          holds,
          settle(error?: Error) {
            waiting.delete(wait)
            if (error) reject(error)
            else resolve()
          },
        }
        waiting.add(wait)
      })
    },
    pause() {
      response.pause()
    },
    resume() {
      response.resume()
    },
    close() {
      closed = true
      request.destroy()
    },
  }
}

/** All frames that an address answers with, to the end of the answer. */
export async function readToEnd(url: string, options?: ReaderOptions): Promise<Reader> {
  const reader = await openReader(url, options)
  await reader.ended
  return reader
}

/** A run that has said a word, and says what the test wants; who sent it, and the path of its stream. */
export async function begun({ api, url }: { api: Api; url: string }, llm: ScriptedProvider) {
  const { id } = await api.group(['ana'])
  const held = llm.hold()
  const sender = await openReader(`${url}/v1/groups/${id}/messages/stream`, {
    method: 'POST',
    body: { input: 'talk', stream_tokens: true },
  })
  held.push('Well, ')
  await sender.until((seen) => seen.length >= 2)
  return { held, sender, path: `/v1/runs/${String(sender.headers['x-letta-run-id'])}/stream` }
}
