import type { TimeSpan } from '../db/store.ts'
import { optionalString } from './args.ts'
import { ToolError } from './tool.ts'

/*
 * Times as models write and read them: ISO 8601 on the clock of the agent's timezone. A name that is no timezone is UTC.
 */

/**
 * The span of two optional arguments, both inclusive: a day is meant from its beginning to its end, a minute and a second
 * likewise.
 *
 * @throws {ToolError} for what is no date
 */
export function spanArgs(args: Record<string, unknown>, from: string, to: string, timezone: string | null): TimeSpan {
  const [start, end] = [optionalString(args, from), optionalString(args, to)]
  return {
    from: start ? readTime(start, from, timezone).first : undefined,
    to: end ? readTime(end, to, timezone).last : undefined,
  }
}

/** E.g. `2026-02-03T14:05:00+01:00`. */
export function showTime(ms: number, timezone: string | null): string {
  const zone = zoneOf(timezone)
  const minutes = Math.round(offsetMs(ms, zone) / 60_000)
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  return `${wallClock(ms, zone)}${minutes < 0 ? '-' : '+'}${pad(hours)}:${pad(rest)}`
}

/** E.g. `3 days ago`. */
export function timeAgo(ms: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - ms) / 1000))
  const [unit, length] = units.find(([, size]) => seconds >= size) ?? ['second', 1]
  return relative.format(-Math.floor(seconds / length), unit)
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' })
const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]

const iso = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/i

function readTime(text: string, name: string, timezone: string | null): { first: number; last: number } {
  const found = iso.exec(text.trim())
  const [, year, month, day, hour, minute, second, offset] = found ?? []
  const at = (addDays: number) => {
    const wall = Date.UTC(
      Number(year),
      Number(month) - 1,
      Number(day) + addDays,
      Number(hour ?? 0),
      Number(minute ?? 0),
      Number(second ?? 0),
    )
    return offset === undefined ? onClock(wall, zoneOf(timezone)) : wall - readOffset(offset)
  }
  const date = `${year}-${month}-${day}T${hour ?? '00'}:${minute ?? '00'}:${second ?? '00'}`
  const wall = new Date(`${date}Z`)
  // A 30th of February would be read as a day in March.
  if (!found || Number.isNaN(wall.getTime()) || !wall.toISOString().startsWith(date)) {
    throw new ToolError(`The argument "${name}" must be a date or a date with a time, such as 2026-02-03 or 2026-02-03T14:05`)
  }
  const next = hour === undefined ? at(1) : at(0) + (second === undefined ? 60_000 : 1000)
  return { first: at(0), last: next - 1 }
}

const readOffset = (offset: string) => {
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(offset) ?? []
  return sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** When the zone's clock shows `wall`, which is what it shows read as UTC. */
const onClock = (wall: number, zone: string) => wall - offsetMs(wall - offsetMs(wall, zone), zone)

const offsetMs = (ms: number, zone: string) => Date.parse(`${wallClock(ms, zone)}Z`) - Math.floor(ms / 1000) * 1000

/** Swedes write dates as ISO does. */
const wallClock = (ms: number, timeZone: string) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(ms).replace(' ', 'T')

function zoneOf(timezone: string | null): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: timezone ?? 'UTC' }).resolvedOptions().timeZone
  } catch {
    return 'UTC'
  }
}

const pad = (n: number) => String(n).padStart(2, '0')
