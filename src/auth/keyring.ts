import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Config } from '../config.ts'
import { DEFAULT_TENANT, type KeyRow, type Keys } from '../db/store.ts'
import type { Scope } from '../wire/key.ts'

/** The key behind a request: what is counted, is counted for it. */
export type UsedKey = Pick<KeyRow, 'id' | 'name' | 'requestsPerMinute' | 'tokensPerDay'>

/** Who asks. */
export interface Identity {
  tenant: string
  scope: Scope
  /** Null where no key was needed. */
  key: UsedKey | null
}

/** A key's last use is noted once in so many ms, not at every request. */
const NOTED_MS = 60_000

const anybody: Identity = { tenant: DEFAULT_TENANT, scope: 'admin', key: null }

const byPassword: Identity = {
  tenant: DEFAULT_TENANT,
  scope: 'admin',
  key: { id: 'password', name: 'LETTA_SERVER_PASSWORD', requestsPerMinute: null, tokensPerDay: null },
}

/** A key of 256 random bits, to be shown once, and what is stored of it. */
export function newKey(): { key: string; hash: string } {
  const key = `rt-${randomBytes(32).toString('base64url')}`
  return { key, hash: hashOf(key) }
}

export const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/**
 * Which keys open the door, and to whom it stands open: to everybody, as long as only this machine can knock and nobody has ever
 * made a key. Nothing is remembered of a key between requests, so one that is revoked opens nothing from that moment on; the
 * price is one indexed look-up.
 */
export class Keyring {
  readonly #store: Keys
  #closed: boolean
  readonly #password: string | undefined

  constructor({ secure, loopback, password }: Pick<Config, 'secure' | 'loopback' | 'password'>, store: Keys) {
    this.#store = store
    this.#closed = secure || !loopback
    this.#password = password === undefined ? undefined : hashOf(password)
  }

  /** The identity of one who needs no key; undefined where everybody needs one. */
  async anybody(): Promise<Identity | undefined> {
    // No key is ever unmade: what was closed stays closed, and is not looked up again.
    this.#closed ||= await this.#store.anyKey()
    return this.#closed ? undefined : anybody
  }

  /** Whose key has this hash. */
  async byHash(hash: string): Promise<Identity | undefined> {
    if (this.#password !== undefined && timingSafeEqual(Buffer.from(hash), Buffer.from(this.#password))) return byPassword
    return await this.#used({ hash })
  }

  /** Whose key has this id: a ticket names the one that it was made with. */
  async byId(id: string): Promise<Identity | undefined> {
    if (id === byPassword.key!.id) return this.#password === undefined ? undefined : byPassword
    return await this.#used({ id })
  }

  async #used(by: { hash: string } | { id: string }): Promise<Identity | undefined> {
    const key = await this.#store.validKey(by)
    if (!key) return undefined
    const now = Date.now()
    // Nobody waits for that, nor for a disk that takes it.
    if (now - (key.lastUsedAt ?? 0) >= NOTED_MS) this.#store.useKey(key.id, now).catch(() => {})
    return { tenant: key.tenant, scope: key.scope, key }
  }
}
