import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { HttpBindings } from '@hono/node-server'
import { randomInt, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { logger } from '../logger.ts'
import { type Ping, wireDate } from '../wire/message.ts'
import type { Page, Show } from './page.ts'
import type { View } from './views.ts'

export interface SseOptions<P extends Page> {
  /** Shows what goes out, e.g. a tail; an empty page that is not the final one is silence. It ends, too, when the signal aborts. */
  follow: (show: Show<P>, signal: AbortSignal) => Promise<void>
  /** The run whose silence a page is, if any. */
  runOf: (page: P) => string | null
  /** The one run that it is all about. */
  runId?: string
  /** A keepalive is a ping frame, else a comment, which no client shows. */
  pings: boolean
  view: View | undefined
  /** A reader that takes nothing for so long is cut; it can resume (streaming.md §A.1, I9). */
  stallMs: number
  /** Aborts when the server goes down: readers are told to come back. */
  closing: AbortSignal
}

/** When a browser comes back by itself after a cut: not all of them at once (faults.md F55). */
const retryLine = () => `retry: ${randomInt(1000, 3000)}\n\n`

/** Made once: an error of its own for each reader would cost a stack trace. */
const GONE = new Error('The reader has gone away')

let open = 0

/** How many readers this process has now. */
export const openReaders = () => open

/**
 * Answers with stored frames as Server-Sent Events. Writes to node's own response: a web stream costs 1.6 times as much per
 * token (performance.md §3). The reader that goes away stops the reading, never the run.
 */
export function answerStream<P extends Page>(c: { env: HttpBindings; res: Response }, options: SseOptions<P>): Response {
  const out = c.env.outgoing
  out.writeHead(200, {
    ...Object.fromEntries(c.res.headers), // CORS
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    ...(options.runId !== undefined && { 'x-letta-run-id': options.runId }),
  })
  if (c.env.incoming.method === 'HEAD') {
    out.end()
    return alreadySent()
  }
  const leave = new AbortController()
  const close = () => leave.abort()
  options.closing.addEventListener('abort', close, { once: true })
  open++
  out.once('close', () => {
    open--
    options.closing.removeEventListener('abort', close)
    if (!out.writableEnded) leave.abort(GONE)
  })
  if (options.closing.aborted) close()
  // The head goes out with what there is already, as one piece.
  const { socket } = out
  socket?.cork()
  // What reconnects by itself is an EventSource, and it knows no method but GET.
  if (c.env.incoming.method === 'GET') out.write(retryLine())
  else out.flushHeaders()
  pump(out, options, leave.signal).catch((error: unknown) => {
    // The head is sent: a cut connection is the only way to say "come back".
    logger.error({ err: error, run: options.runId }, 'A reader was cut off')
    out.destroy()
  })
  socket?.uncork()
  return alreadySent()
}

/**
 * Tells node-server that the response is written. Its own Response loses that mark when middleware has added headers, unless it
 * has become a real one, as it does when its body is asked for.
 */
function alreadySent(): Response {
  const mark = new Response(null, RESPONSE_ALREADY_SENT)
  void mark.body
  return mark
}

async function pump<P extends Page>(
  out: ServerResponse,
  { follow, runOf, pings, view, stallMs }: SseOptions<P>,
  signal: AbortSignal,
) {
  const textOf = (page: P) => {
    if (page.text === '' && !page.final) return keepalive(runOf(page), page.last, pings)
    return view ? view(page.text) : page.text
  }
  const write = writer(out)
  const show = (page: P) => {
    const text = textOf(page)
    if (page.final) return end(text)
    return text !== '' && !write(text) ? drained(out, stallMs, signal) : undefined
  }
  /** The end goes out with the last frames. */
  const end = (text: string) => {
    const { socket } = out
    socket?.cork()
    const taken = text === '' || write(text)
    out.end()
    socket?.uncork()
    return taken ? undefined : drained(out, stallMs, signal)
  }
  await follow(show, signal)
  if (!out.writableEnded && !out.destroyed) out.end(signal.aborted ? retryLine() : undefined)
}

/**
 * How to write to a response whose head is sent. A text goes to the socket as one piece, in HTTP's chunked framing (RFC 9112 §7.1):
 * node would write it as four. Where there is no such framing, or the response waits for one before it, node does it.
 *
 * @returns what says false when the socket should drain first
 */
function writer(out: ServerResponse): (text: string) => boolean {
  const { socket } = out
  if (!out.chunkedEncoding || !socket) return (text) => out.write(text)
  return (text) => {
    const bytes = Buffer.byteLength(text)
    const chunk = `${bytes.toString(16)}\r\n${text}\r\n`
    // Whoever is slow holds what waits: a byte for each character of ASCII, where node would set aside three for any.
    const taken = bytes === text.length ? socket.write(chunk, 'latin1') : socket.write(Buffer.from(chunk))
    // What the system has taken at once need not drain.
    return taken || socket.writableLength === 0
  }
}

/** A ping that is not stored: it has no `id:` line, and carries the last number (streaming.md §1.3). */
function keepalive(runId: string | null, last: number, pings: boolean): string {
  if (!pings) return ': keep-alive\n\n'
  return `data: ${JSON.stringify({ ...ping(runId), seq_id: runId === null ? null : last } satisfies Ping)}\n\n`
}

/** Tells a client its run's id before anything else is said. */
export const ping = (runId: string | null): Ping => ({
  id: `ping-${randomUUID()}`,
  date: wireDate(Date.now()),
  name: null,
  message_type: 'ping',
  otid: null,
  sender_id: null,
  step_id: null,
  is_err: null,
  seq_id: null,
  run_id: runId,
})

function drained(out: ServerResponse, stallMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const { socket } = out
    const done = () => {
      clearTimeout(stalled)
      out.off('drain', done)
      out.off('close', done)
      socket?.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const stalled = setTimeout(() => out.destroy(), stallMs)
    // Whoever of the two has written says when there is room.
    out.once('drain', done)
    out.once('close', done)
    socket?.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}
