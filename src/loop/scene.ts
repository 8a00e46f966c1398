import type { Admission, Store } from '../db/store.ts'
import type { Providers } from '../llm/index.ts'
import type { ToolSpec } from '../llm/provider.ts'
import type { ToolSource } from '../tools/tool.ts'
import type { LettaMessage } from '../wire/message.ts'
import type { Journal } from './journal.ts'

/** One run, as its manager, turns and steps see it. */
export interface Scene {
  tenant: string
  runId: string
  groupId: string | null
  /** The key that pays for its tokens. */
  payer: string | null
  admission: Admission
  store: Store
  providers: Providers
  tools: ToolSource
  journal: Journal
  /** An earlier process has worked on it. */
  resumed: boolean
  /** ms until a call that waits for an answer is given up; undefined = never. */
  approvalExpiryMs: number | undefined
  /**
   * Says something to whoever reads the run: all that one network chunk brought, at once. Plain calls and no generators: a token
   * passes many layers.
   *
   * @returns a promise when the speaker should wait for it
   */
  show: (messages: LettaMessage[]) => Promise<void> | undefined
  /** Aborts when the run is cancelled or the server goes down. */
  signal: AbortSignal
}

export interface Member {
  id: string
  name: string
}

/** A tool that a manager lends to a member for a turn. */
export interface LentTool {
  spec: ToolSpec
  /**
   * What the member reads; a call that is in order ends its turn. `later`: the manager gives the result itself, by `answer`.
   */
  result: (args: Record<string, unknown>) => { text: string; isError: boolean } | 'later'
  /** What a call of it says to the listeners. */
  says?: (args: Record<string, unknown>) => string
}

/** How a turn differs from a plain one. */
export interface TurnOptions {
  /** Added to the system prompt of this turn. */
  note?: string
  tools?: LentTool[]
  /** The lent tool that must be called. */
  mustCall?: string
  /** Model calls at most. */
  maxSteps?: number
  /** Who hears what is said, beside the user; by default all others. */
  listeners?: string[]
}
