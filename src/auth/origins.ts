import type { Config } from '../config.ts'

/** Names of this machine, which no other machine's name server can give to somebody else. */
const isLoopback = (hostname: string): boolean => /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/**
 * Whose names and pages are trusted. While no key is needed, a page that somebody visits must not act here behind his back:
 * neither under a name of its own that leads to this machine (DNS rebinding), nor by sending from elsewhere (faults.md F87).
 * Where a key is needed, that is what keeps it out: browsers add none by themselves.
 */
export class Origins {
  readonly #hosts: Set<string>
  readonly #origins: Set<string>
  #known: string | undefined

  constructor({ host, allowedHosts, corsOrigins }: Pick<Config, 'host' | 'allowedHosts' | 'corsOrigins'>) {
    this.#hosts = new Set([host, `[${host}]`, ...allowedHosts])
    this.#origins = new Set(corsOrigins)
  }

  /** Whether the server goes by the name in this Host header; a port makes no difference. */
  knows(host: string | undefined): boolean {
    // Most requests say the same as the one before.
    if (host !== undefined && host === this.#known) return true
    const hostname = hostnameOf(`http://${host}`)
    const known = hostname !== undefined && (isLoopback(hostname) || this.#hosts.has(hostname))
    if (known) this.#known = host
    return known
  }

  /** What `access-control-allow-origin` says to a page of this origin: it may read what is answered. Never with credentials. */
  allow(origin: string): string | null {
    if (this.#origins.has('*')) return '*'
    return this.#listed(origin) ? origin : null
  }

  /** Whether a page of this origin may change something without a key. `*` is for reading: it names nobody. */
  trusts(origin: string, host: string | undefined): boolean {
    return this.#listed(origin) || (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase())
  }

  #listed(origin: string): boolean {
    if (this.#origins.has(origin)) return true
    const hostname = hostnameOf(origin)
    return hostname !== undefined && this.#origins.has('loopback') && isLoopback(hostname)
  }
}

const hostnameOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).hostname : undefined)
