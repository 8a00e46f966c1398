import type { HttpBindings } from '@hono/node-server'
import type { UsedKey } from './auth/keyring.ts'
import type { Tickets } from './auth/tickets.ts'
import type { Config } from './config.ts'
import type { Store } from './db/store.ts'
import type { Providers } from './llm/index.ts'
import type { Requests } from './loop/requests.ts'
import type { Runs } from './loop/run.ts'
import type { Metrics } from './observe/metrics.ts'
import type { RunLog } from './stream/log.ts'
import type { Toolbox } from './tools/index.ts'

/** The parts that routes work with. */
export interface Services {
  config: Config
  store: Store
  log: RunLog
  providers: Providers
  runs: Runs
  requests: Requests
  tools: Toolbox
  metrics: Metrics
  /** The folder of the built page. */
  page: string
  tickets: Tickets
  /** Aborts when the server goes down: streams tell their readers to come back. */
  closing: AbortSignal
}

/** What every handler finds in its context. */
export interface Caller {
  Bindings: HttpBindings
  Variables: { tenant: string; key: UsedKey | null }
}
