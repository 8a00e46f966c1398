import { StringDecoder } from 'node:string_decoder'
import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { Deadlines, type Timeouts } from './deadlines.ts'
import { fromStatus, isRecord, ProviderError, type Origin } from './errors.ts'
import { LINE_LIMIT_BYTES } from './limited.ts'
import type { Delta, Hear } from './provider.ts'

/** What makes deltas of a provider's events. */
export interface EventReader {
  /** True once all has come that a whole answer needs; what follows is welcome, its absence is no failure. */
  readonly answered: boolean
  /** True once nothing is to follow. */
  readonly finished: boolean
  /** Appends to `into` what one event means. @throws {ProviderError} */
  read(data: string, into: Delta[]): void
  /** Appends what is said at the end. @throws {ProviderError} when there was no whole answer */
  end(into: Delta[]): void
}

export interface AnswerOptions extends Timeouts {
  origin: Origin
  signal: AbortSignal
  hear: Hear
  /** Of a whole answer; one that is longer is given up. */
  answerLimitBytes: number
}

const ERROR_BODY_LIMIT = 64 * 1024
/** How long the rest may take (usage, `[DONE]`, the end of the body) once the answer itself is complete. */
const REST_MS = 5000

/**
 * The answer to one request, read by undici's callbacks: web streams would cost more than all the rest (performance.md §4).
 * What one network chunk brought is one batch, heard within that callback. A listener that asks for time stops the socket, not
 * the process.
 */
export class Answer implements Dispatcher.DispatchHandler {
  readonly #events: EventReader
  readonly #options: AnswerOptions
  readonly #decoder = new StringDecoder('utf8')
  readonly #parser
  readonly #deadlines: Deadlines
  #batch: Delta[] = []
  #controller: Dispatcher.DispatchController | undefined
  readonly #whole = Promise.withResolvers<void>()
  /** The listener's last wish for time. */
  #held: Promise<void> | undefined
  #failed = false
  /** Nothing more is read: it is complete, has failed, or nobody wants it. */
  #settled = false
  #bodyEnded = false
  #bytes = 0
  #isStream = false
  #sawEvent = false
  /** The body as text, where it is not a stream of events. */
  #plain: { status: number; retryAfter: string | undefined; text: string } | undefined

  constructor(events: EventReader, options: AnswerOptions) {
    this.#events = events
    this.#options = options
    this.#parser = createParser({
      maxBufferSize: LINE_LIMIT_BYTES,
      onEvent: ({ data }) => {
        this.#sawEvent = true
        if (!events.finished) events.read(data, this.#batch)
      },
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded')
          throw this.#error('malformed', `a line of more than ${LINE_LIMIT_BYTES} characters`)
      },
    })
    this.#deadlines = new Deadlines(options, (what) => this.#onLate(what))
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Sends the request, by `dispatch`, and resolves when all of the answer was heard. @throws as {@link Provider.stream} does */
  async to(dispatch: () => void): Promise<void> {
    try {
      dispatch()
    } catch (error) {
      this.#fail(connectionError(this.#options.origin, error))
    }
    try {
      await this.#whole.promise
    } finally {
      this.#close()
    }
  }

  /** The connection is closed, unless the answer was complete and the connection can serve again. */
  #close(): void {
    if (this.#settled && !this.#failed && !this.#bodyEnded) {
      this.#deadlines.expectEnd(REST_MS)
      this.#options.signal.removeEventListener('abort', this.#onAbort)
    } else this.#settle()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(new Error('not wanted any more'))
  }

  onResponseStart(_controller: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (this.#settled) return
    const type = String(headers['content-type'] ?? '')
    this.#isStream = type.includes('text/event-stream')
    if (status < 200 || status > 299 || type.includes('application/json')) {
      this.#plain = { status, retryAfter: headers['retry-after']?.toString(), text: '' }
    }
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#settled) return
    const { answered } = this.#events
    try {
      this.#bytes += chunk.length
      const { answerLimitBytes } = this.#options
      if (this.#bytes > answerLimitBytes) throw this.#error('malformed', `more than ${answerLimitBytes} bytes`)
      const text = this.#decoder.write(chunk)
      if (this.#plain) {
        this.#plain.text += text
        if (this.#plain.status > 299 && this.#plain.text.length > ERROR_BODY_LIMIT) this.#endPlain(this.#plain)
        return
      }
      this.#parser.feed(text)
      if (this.#events.finished) return this.#complete()
      if (!this.#events.answered) this.#deadlines.heard(this.#batch.length > 0)
      else if (!answered) this.#deadlines.expectEnd(this.#restMs)
      this.#tell()
    } catch (error) {
      this.#fail(error)
    }
  }

  onResponseEnd(): void {
    this.#bodyEnded = true
    if (this.#settled) return this.#deadlines.stop()
    try {
      if (this.#plain) return this.#endPlain(this.#plain)
      this.#feedRest()
      // What calls itself a stream of events and has none of them was cut off before the first.
      if (!this.#isStream && !this.#events.answered && !this.#sawEvent && this.#bytes > 0)
        throw this.#error('malformed', 'not a stream of events')
      this.#complete()
    } catch (error) {
      this.#fail(error)
    }
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#bodyEnded = true
    if (this.#settled) return this.#deadlines.stop()
    if (!this.#events.answered) return this.#fail(connectionError(this.#options.origin, error))
    try {
      this.#complete()
    } catch (cause) {
      this.#fail(cause)
    }
  }

  /** A last event without its blank line counts; half a line that was cut off does not. */
  #feedRest(): void {
    try {
      this.#parser.feed(`${this.#decoder.end()}\n\n`)
    } catch (error) {
      if (!(error instanceof ProviderError) || error.kind !== 'malformed') throw error
    }
  }

  #endPlain({ status, retryAfter, text }: { status: number; retryAfter: string | undefined; text: string }): void {
    if (status < 200 || status > 299) throw fromStatus(this.#options.origin, status, text, retryAfter)
    // Asked for a stream, some answer in one piece.
    this.#events.read(text, this.#batch)
    this.#complete()
  }

  #complete(): void {
    this.#events.end(this.#batch)
    this.#tell()
    this.#settled = true
    this.#deadlines.stop()
    this.#whole.resolve(this.#held)
  }

  #tell(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    const held = this.#options.hear(batch)
    if (held) this.#hold(held)
  }

  #hold(held: Promise<void>): void {
    this.#held = held
    this.#controller?.pause()
    this.#deadlines.pause()
    const resume = () => {
      if (this.#held !== held) return
      this.#deadlines.resume()
      this.#controller?.resume()
    }
    held.then(resume, (error: unknown) => this.#fail(error))
  }

  get #restMs(): number {
    return Math.min(REST_MS, this.#options.streamTimeoutMs)
  }

  #onLate(what: string): void {
    if (!this.#settled && !this.#events.answered) return this.#fail(this.#error('timeout', what))
    this.onResponseError(undefined, new Error(what))
    this.#controller?.abort(new Error(what))
  }

  readonly #onAbort = () => this.#fail(this.#options.signal.reason)

  /** What came before it in the same chunk is heard. */
  #fail(error: unknown): void {
    if (this.#settled) return
    this.#failed = true
    this.#whole.reject(error)
    try {
      this.#tell()
    } catch {
      // What has failed first counts.
    }
    this.#settle()
  }

  #settle(): void {
    this.#settled = true
    this.#deadlines.stop()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    if (!this.#bodyEnded) this.#controller?.abort(new Error('not wanted any more'))
  }

  #error(kind: 'malformed' | 'timeout', detail: string): ProviderError {
    return new ProviderError(kind, this.#options.origin, { detail })
  }
}

/** What is wrong with the address or its certificate is so the next time, too. */
const lasting = /^(ENOTFOUND|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO)/

export function connectionError(origin: Origin, error: unknown): ProviderError {
  const { code, message } = isRecord(error) ? error : { code: undefined, message: error }
  const name = typeof code === 'string' ? code : ''
  const words = String(message)
  const detail = words.includes(name) ? words : `${name} ${words}`.trim()
  return new ProviderError('connection', origin, { detail, cause: error, transient: !lasting.test(name) })
}
