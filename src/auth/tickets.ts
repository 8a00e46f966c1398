import { createHmac, timingSafeEqual } from 'node:crypto'
import { isoDate } from '../wire/message.ts'
import type { Ticket } from '../wire/key.ts'

/**
 * Tickets for browsers, whose EventSource cannot send a header: each opens the stream of one run or group by `?ticket=`, for a
 * few minutes. Nothing is stored of them. A ticket names the key that it was made with, and is worth what that is worth when it
 * is shown: nothing, once the key is revoked.
 *
 * It may be used again and again until it expires, because a browser that reconnects asks for the same address. A stream that is
 * open when its ticket expires goes on; the reconnect after that gets a 401, and the page asks for another ticket.
 */
export class Tickets {
  readonly #secret: Buffer
  readonly #lifeMs: number

  /** @param secret in hex; the same after a restart */
  constructor(secret: string, lifeMs: number) {
    this.#secret = Buffer.from(secret, 'hex')
    this.#lifeMs = lifeMs
  }

  /** @param of the id of the run or group */
  issue(of: string, keyId: string | null): Ticket {
    const expires = Date.now() + this.#lifeMs
    const claim = `${expires.toString(36)}.${keyId ?? ''}`
    return { ticket: `${claim}.${this.#sign(claim, of).toString('base64url')}`, expires_at: isoDate(expires) }
  }

  /** The id of the key that this ticket for `of` was made with; undefined when it is none, or too old. */
  keyOf(ticket: string, of: string): string | undefined {
    const [, expires, keyId, signed] = /^([0-9a-z]{1,12})\.([\w-]*)\.([\w-]{43})$/.exec(ticket) ?? []
    if (expires === undefined) return undefined
    const good = timingSafeEqual(Buffer.from(signed!, 'base64url'), this.#sign(`${expires}.${keyId}`, of))
    return good && Number.parseInt(expires, 36) > Date.now() ? keyId : undefined
  }

  #sign(claim: string, of: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${of}.${claim}`).digest()
  }
}
