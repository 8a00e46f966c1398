import { newId } from '../wire/id.ts'
import { wireDate } from '../wire/message.ts'
import { expand } from '../stream/expand.ts'
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
    speak: (who, options) => takeTurn(scene, who, turns++, options),
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
    async announce(event_type, event_data) {
      await journal.act({ turn: turns++, place: 0, agentId: admission.members[0]!.id }, async () => ({
        rows: [],
        messages: [
          {
            id: newId('event'),
            date: wireDate(Date.now()),
            name: null,
            message_type: 'event_message',
            otid: null,
            sender_id: null,
            step_id: null,
            is_err: null,
            seq_id: null,
            run_id: scene.runId,
            event_type,
            event_data,
          },
        ],
      }))
    },
  }
}
