import { Scope } from '../wire/key.ts'

const safe = new Set(['GET', 'HEAD', 'OPTIONS'])

/** POSTs that change nothing: to resume a stream, to search, and to get a ticket for what may be read anyway. */
const reading = /^\/(v1|latest)\/(runs\/[^/]+\/(stream|tickets)|groups\/[^/]+\/tickets|conversations\/[^/]+\/stream)\/?$/

const administering = /^\/(v1|latest)\/keys(\/|$)/

/** True for a method that may change something. */
export const isUnsafe = (method: string): boolean => !safe.has(method)

/** What a key must be good for. By the same path that the router goes by; what is not named here needs `write` to be changed. */
export function scopeFor(method: string, path: string): Scope {
  if (administering.test(path)) return 'admin'
  return isUnsafe(method) && !reading.test(path) ? 'write' : 'read'
}

export const covers = (has: Scope, needs: Scope): boolean => Scope.options.indexOf(has) >= Scope.options.indexOf(needs)

/** The run or group whose stream this is: the only addresses that take a ticket. */
export const streamOf = (method: string, path: string): string | undefined =>
  method === 'GET' ? /^\/(?:v1|latest)\/(?:runs|groups)\/([^/]+)\/stream\/?$/.exec(path)?.[1] : undefined
