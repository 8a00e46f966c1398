import type { StopReasonType } from '../../wire/run.ts'
import type { Member } from '../scene.ts'
import type { MessageStream } from '../stream.ts'
import type { Said } from '../turn.ts'

/** What a manager has to do with: who there is, and how to let one speak. */
export interface Chat {
  /** In speaking order; one may be there twice. */
  members: Member[]
  /** The group's setting; null when it has none. */
  maxTurns: number | null
  /** Lets a member take its turn; what it says is heard by all. */
  speak: (member: Member) => MessageStream<Said>
}

/** Why a conversation is over, and by which rule of its manager. */
export interface Ending {
  stop: StopReasonType
  endedBy: string | null
}

/**
 * Decides who speaks. It is played again from the top after a crash, over what was recorded, so all it may depend on is the
 * chat and what was said: no clock, no chance, no table (design §4).
 */
export type Manager = (chat: Chat) => MessageStream<Ending>

/** A turn that did not end by itself ends the conversation: an approval, a limit, a failure. */
export const endsChat = ({ stop }: Said): boolean => stop !== 'end_turn' && stop !== 'tool_rule'
