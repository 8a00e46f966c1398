import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { Agent, buildConnector } from 'undici'
import { isPublicAddress, isPublicHost } from './public-address.ts'

export interface GuardOptions {
  /** `host:port` of those that may be reached wherever they are: an intranet's, a test's. */
  allow: readonly string[]
  connectTimeoutMs: number
  /** All addresses of a name; a test has its own. */
  resolve?: (hostname: string) => Promise<LookupAddress[]>
}

/** Somebody asked us to connect to what is not for everybody. Nothing was sent. */
export class NotPublic extends Error {
  constructor() {
    super('its host is not a public one')
  }
}

/**
 * A client for addresses that others tell us: it connects to public ones only (faults.md F89). The check is where the connection
 * is made, so no spelling gets round it: an IP address is checked as it stands, a name is resolved once, all of its addresses
 * are checked, and the connection goes to one of just these. Connections are not kept, so neither is what was found out.
 */
export function guardedAgent({ allow, connectTimeoutMs, resolve = resolveAll }: GuardOptions): Agent {
  const allowed = new Set(allow.map(normalize))
  const connector = (check: boolean) =>
    buildConnector({ timeout: connectTimeoutMs, allowH2: false, lookup: lookupWith(resolve, check) })
  const [open, checked] = [connector(false), connector(true)]
  return new Agent({
    pipelining: 0,
    connect(options, callback) {
      const { hostname, protocol, port } = options
      if (allowed.has(`${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`)) open(options, callback)
      else if (isPublicHost(hostname)) checked(options, callback)
      else callback(new NotPublic(), null)
    },
  })
}

const resolveAll = (hostname: string) => systemLookup(hostname, { all: true })

/** `[::1]:80` → `::1:80`, as a connection has it. */
function normalize(hostAndPort: string): string {
  const { hostname, port } = new URL(`http://${hostAndPort}`)
  return `${hostname.replace(/^\[|\]$/g, '')}:${port || '80'}`
}

/** IP addresses never come here: they are not looked up. */
function lookupWith(resolve: NonNullable<GuardOptions['resolve']>, check: boolean): LookupFunction {
  const find = callbackify(async (hostname: string) => {
    const addresses = await resolve(hostname)
    if (check && !addresses.every(({ address }) => isPublicAddress(address))) throw new NotPublic()
    if (addresses.length === 0) throw Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' })
    return addresses
  })
  return (hostname, { all }, callback) =>
    find(hostname, (error, addresses) => {
      if (error) callback(error, [])
      else if (all) callback(null, addresses)
      else callback(null, addresses[0]!.address, addresses[0]!.family)
    })
}
