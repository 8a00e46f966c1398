import { InvalidArgument } from '../errors.ts'

/**
 * The number in a `Last-Event-ID` header: plain decimal, nothing else. An empty header means none: it is what an EventSource
 * sends before its first event.
 *
 * @throws {InvalidArgument} for anything else: guessing would skip frames or send them again
 */
export function lastEventId(header: string | undefined): number {
  if (header === undefined || header === '') return 0
  if (!/^(?:0|[1-9]\d{0,15})$/.test(header) || !Number.isSafeInteger(Number(header))) {
    throw new InvalidArgument('INVALID_ARGUMENT: Last-Event-ID must be the id of an event of this stream: a whole number')
  }
  return Number(header)
}
