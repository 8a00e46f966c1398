import type { Admission, Store } from '../db/store.ts'
import type { Providers } from '../llm/index.ts'
import type { Journal } from './journal.ts'

/** One run, as its manager, turns and steps see it. */
export interface Scene {
  tenant: string
  runId: string
  groupId: string | null
  admission: Admission
  store: Store
  providers: Providers
  journal: Journal
  /** Aborts when the run is cancelled or the server goes down. */
  signal: AbortSignal
}

export interface Member {
  id: string
  name: string
}
