import type { StopReasonType } from '../wire/run.ts'
import { groupNote } from './prompt.ts'
import type { Member, Scene } from './scene.ts'
import { takeStep } from './step.ts'
import type { MessageStream } from './stream.ts'

/** What a member said in its turn, and why that ended. */
export interface Said {
  stop: StopReasonType
  said: string[]
}

/** One member's turn: steps until it yields, or the request may make no more of them. */
export async function* takeTurn(scene: Scene, member: Member, turn: number): MessageStream<Said> {
  const { groupId, admission, journal } = scene
  const others = distinct(admission.members).filter(({ id }) => id !== member.id)
  const note =
    groupId === null
      ? ''
      : groupNote(
          member.name,
          others.map(({ name }) => name),
          admission.description,
        )
  const listeners = others.map(({ id }) => id)
  const said: string[] = []
  for (let place = 0; ; place++) {
    if (journal.full) return { stop: 'max_steps', said }
    const recorded = yield* journal.step(turn, place, member.id, (stepId) =>
      takeStep(scene, { agentId: member.id, stepId, note, listeners }),
    )
    said.push(...recorded.said)
    if (recorded.stop) return { stop: recorded.stop, said }
  }
}

/** Each member once, in speaking order. */
export const distinct = (members: Member[]): Member[] => [...new Map(members.map((member) => [member.id, member])).values()]
