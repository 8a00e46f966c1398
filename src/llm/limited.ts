import type { Dispatcher } from 'undici'
import { ProviderError, type Origin } from './errors.ts'

/** No event of a model comes near it. A longer line would be searched for its end again with every chunk. */
export const LINE_LIMIT_BYTES = 4 * 1024 * 1024

/** The same dispatcher, whose answers are given up with a {@link ProviderError} when they, or a line of theirs, have no end (F41). */
export const limited = (dispatcher: Dispatcher, origin: Origin, limitBytes: number): Dispatcher =>
  dispatcher.compose((dispatch) => (options, handler) => dispatch(options, new Measured(handler, origin, limitBytes)))

class Measured implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #origin: Origin
  readonly #limitBytes: number
  #bytes = 0
  #lineBytes = 0

  constructor(handler: Dispatcher.DispatchHandler, origin: Origin, limitBytes: number) {
    this.#handler = handler
    this.#origin = origin
    this.#limitBytes = limitBytes
  }

  onRequestStart(...given: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestStart']>>): void {
    this.#handler.onRequestStart?.(...given)
  }

  onResponseStart(...given: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.#handler.onResponseStart?.(...given)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    const lineEnd = chunk.lastIndexOf(10)
    this.#lineBytes = lineEnd < 0 ? this.#lineBytes + chunk.length : chunk.length - lineEnd - 1
    if (this.#bytes > this.#limitBytes) controller.abort(this.#tooLong('bytes', this.#limitBytes))
    else if (this.#lineBytes > LINE_LIMIT_BYTES) controller.abort(this.#tooLong('bytes in a line', LINE_LIMIT_BYTES))
    else this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(...given: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    this.#handler.onResponseEnd?.(...given)
  }

  onResponseError(...given: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseError']>>): void {
    this.#handler.onResponseError?.(...given)
  }

  #tooLong(what: string, limit: number): ProviderError {
    return new ProviderError('malformed', this.#origin, { detail: `more than ${limit} ${what}` })
  }
}
