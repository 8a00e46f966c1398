import { expand } from '../stream/expand.ts'
import { eventMessage } from './events.ts'
import type { Chat } from './managers/manager.ts'
import { together } from './merge.ts'
import type { Scene } from './scene.ts'
import { newRow } from './step.ts'
import { takeTurn } from './turn.ts'

/** What a run's manager sees of it. Turns are counted as they are begun, so a replay counts them alike. */
export function chatOf(scene: Scene): Chat {
  const { admission, journal } = scene
  let turns = 0
  return {
    members: admission.members,
    manager: admission.managerAgent ?? undefined,
    description: admission.description,
    maxTurns: admission.maxTurns,
    terminationToken: admission.terminationToken,
    speak(who, options) {
      const turn = takeTurn(scene, who, turns++, options)
      // A manager may fail before it waits for it.
      turn.catch(() => {})
      return turn
    },
    together,
    async answer(who, said, calls, text) {
      const { id: stepId } = journal.find(said.at)!
      await journal.act({ turn: turns++, place: 0, agentId: who.id }, async () => {
        const row = newRow(scene, who, stepId, 'tool')
        row.name = calls[0]!.name
        row.parts = calls.map(({ id }) => ({ type: 'tool_return', tool_call_id: id, content: text, is_error: false }))
        return { rows: [row], messages: expand(row) }
      })
    },
    async announce(type, data) {
      await journal.act({ turn: turns++, place: 0, agentId: admission.members[0]!.id }, async () => ({
        rows: [],
        messages: [eventMessage(scene.runId, type, data)],
      }))
    },
  }
}
