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

/** A place in a group's feed: a frame of a run, `<run number>.<seq>`; `0.0` is before its first run. */
export interface FeedPlace {
  run: number
  seq: number
}

/**
 * The place that a feed's `Last-Event-ID` header and its query name: of two, the one that is ahead. Nothing where neither says
 * anything.
 *
 * @throws {InvalidArgument} for anything else
 */
export function feedPlace(header: string | undefined, query: string | undefined): FeedPlace | undefined {
  const places = [header, query].flatMap((text) => (text === undefined || text === '' ? [] : [placeIn(text)]))
  return places.toSorted((a, b) => b.run - a.run || b.seq - a.seq)[0]
}

function placeIn(text: string): FeedPlace {
  const [, run, seq] = /^(?=[1-9]|0\.0$)(\d{1,15})\.(0|[1-9]\d{0,14})$/.exec(text) ?? []
  if (run === undefined) {
    throw new InvalidArgument('INVALID_ARGUMENT: A place in a feed is the id of one of its events: <run number>.<seq>')
  }
  return { run: Number(run), seq: Number(seq) }
}
