import type { CallPart } from '../../db/store.ts'
import type { StopReasonType } from '../../wire/run.ts'
import type { Member, TurnOptions } from '../scene.ts'
import type { Said } from '../turn.ts'

/** What a manager has to do with: who there is, and how to let them speak. */
export interface Chat {
  /** In speaking order; one may be there twice. */
  members: Member[]
  /** The agent that decides or is talked to; none in round robin and swarm. */
  manager: Member | undefined
  /** What the group is for. */
  description: string
  /** The group's settings; null when it has none. */
  maxTurns: number | null
  terminationToken: string | null
  /** Lets somebody take a turn; what is said is heard by all others, unless the options say who. */
  speak: (who: Member, options?: TurnOptions) => Promise<Said>
  /** Lets several turns run at the same time; each ends for itself. */
  together: (turns: Promise<Said>[]) => Promise<Settled[]>
  /** Gives calls of lent tools, made in the last step of that turn of `who`, the result that they wait for. */
  answer: (who: Member, said: Said, calls: CallPart[], text: string) => Promise<void>
  /** Tells the reader something that nobody said. */
  announce: (type: string, data: Record<string, unknown>) => Promise<void>
}

/** How a turn of several went: what was said, or why it failed. */
export type Settled = Said | { failure: string }

/** Why a conversation is over, and by which rule of its manager. */
export interface Ending {
  stop: StopReasonType
  endedBy: string | null
}

/**
 * Decides who speaks. It is played again from the top after a crash or an approval, over what was recorded, so all it may
 * depend on is the chat and what was said: no clock, no chance, no table (design §4).
 */
export type Manager = (chat: Chat) => Promise<Ending>

/** A turn that did not end by itself ends the conversation: an approval, a limit, a failure. */
export const endsChat = ({ stop }: Said): boolean => stop !== 'end_turn' && stop !== 'tool_rule'
