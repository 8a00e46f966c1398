import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { Config } from '../config.ts'
import type { Store } from '../db/store.ts'
import { Forbidden, Unauthorized } from '../errors.ts'
import type { Caller } from '../services.ts'
import { Crowd } from './crowd.ts'
import { Guesses } from './guesses.ts'
import { hashOf, type Identity, Keyring } from './keyring.ts'
import type { Origins } from './origins.ts'
import { Rates } from './rates.ts'
import { covers, isUnsafe, scopeFor, streamOf } from './scopes.ts'
import type { Tickets } from './tickets.ts'

export interface DoorOptions {
  config: Config
  store: Store
  origins: Origins
  tickets: Tickets
}

/**
 * Everything behind it is reached through it: by a key, by a ticket, or by anybody where no key is needed. The key decides the
 * tenant, and nothing else does; a `user_id` header says nothing. What it refuses is refused before a body is read.
 */
export function door({ config, store, origins, tickets }: DoorOptions) {
  const keyring = new Keyring(config, store)
  const guesses = new Guesses(config.guessesPerMinute)
  const rates = new Rates(config.requestsPerMinute)
  const crowd = new Crowd(config.openRequests)

  return createMiddleware<Caller>(async (c, next) => {
    const { method, path } = c.req
    const anybody = await keyring.anybody()
    if (anybody || config.allowedHosts.length > 0) refuseHost(c)
    if (anybody) refuseOrigin(c)
    const caller = anybody ?? (await identify(c))
    const needed = scopeFor(method, path)
    if (!covers(caller.scope, needed)) throw new Forbidden(`This needs a key of scope ${needed}; yours is ${caller.scope}`)
    if (caller.key) rates.count(caller.key)
    crowd.enter(caller, c.env.outgoing)
    c.set('tenant', caller.tenant)
    c.set('key', caller.key)
    await next()
  })

  async function identify(c: Context<Caller>): Promise<Identity> {
    const key = keyIn(c.req.header('authorization'), c.req.header('x-bare-password'))
    const found = key === undefined ? await byTicket(c) : await byKey(key, c.env.incoming.socket.remoteAddress ?? '')
    if (!found) throw new Unauthorized()
    return found
  }

  async function byKey(key: string, address: string): Promise<Identity | undefined> {
    const hash = hashOf(key)
    guesses.refuse(address, hash)
    const found = await keyring.byHash(hash)
    if (found) guesses.wasRight(address, hash)
    else guesses.wasWrong(address)
    return found
  }

  /** A key in the address would be in every log on its way; only tickets may be there. */
  async function byTicket(c: Context<Caller>): Promise<Identity | undefined> {
    const of = streamOf(c.req.method, c.req.path)
    const ticket = c.req.query('ticket')
    const keyId = of !== undefined && ticket !== undefined ? tickets.keyOf(ticket, of) : undefined
    return keyId === undefined ? undefined : await keyring.byId(keyId)
  }

  function refuseHost(c: Context<Caller>) {
    const host = c.req.header('host')
    if (!origins.knows(host)) throw new Forbidden(`Nothing is served as ${host}: ROUNDTABLE_ALLOWED_HOSTS says which names are`)
  }

  function refuseOrigin(c: Context<Caller>) {
    const origin = c.req.header('origin')
    if (origin === undefined || !isUnsafe(c.req.method) || origins.trusts(origin, c.req.header('host'))) return
    throw new Forbidden(`A page of ${origin} may not send without a key: name it in ROUNDTABLE_CORS_ORIGINS, or make a key`)
  }
}

/** What Letta's clients send. Twice the same header arrives as one with a comma, and is no key. */
const keyIn = (authorization: string | undefined, bare: string | undefined): string | undefined =>
  /^Bearer +(.+)$/i.exec(authorization ?? '')?.[1] ?? /^password (.+)$/.exec(bare ?? '')?.[1]
