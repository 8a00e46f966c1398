import { agentOf, agents } from '../model/directory.ts'
import type { AgentDraft } from '../model/changes.ts'
import { AgentFields } from './agent-fields.tsx'
import { Bin, Down, Plus, Up } from './icons.tsx'

/** A member as the form has it: an agent that is there, or one to be made. */
export interface MemberDraft {
  key: string
  /** Empty: it is to be made. */
  id: string
  draft: AgentDraft
}

interface MembersProps {
  members: MemberDraft[]
  change: (members: MemberDraft[]) => void
  add: () => void
}

/** The members, in speaking order. */
export function Members({ members, change, add }: MembersProps) {
  const swap = (at: number, other: number) =>
    change(members.map((member, index) => members[index === at ? other : index === other ? at : index] ?? member))
  return (
    <>
      {members.map((member, index) => (
        <fieldset key={member.key} class="member">
          <legend>{nameOf(member) || `Member ${index + 1}`}</legend>
          <div class="tools">
            <button
              type="button"
              class="quiet"
              aria-label="Earlier"
              disabled={index === 0}
              onClick={() => swap(index, index - 1)}
            >
              <Up />
            </button>
            <button
              type="button"
              class="quiet"
              aria-label="Later"
              disabled={index === members.length - 1}
              onClick={() => swap(index, index + 1)}
            >
              <Down />
            </button>
            <button
              type="button"
              class="quiet"
              aria-label="Leave out"
              disabled={members.length === 1}
              onClick={() => change(members.filter((one) => one !== member))}
            >
              <Bin />
            </button>
          </div>
          <MemberFields member={member} change={(next) => change(members.map((one) => (one === member ? next : one)))} />
        </fieldset>
      ))}
      <button type="button" class="add" onClick={add}>
        <Plus /> Another member
      </button>
    </>
  )
}

export function MemberFields({ member, change }: { member: MemberDraft; change: (member: MemberDraft) => void }) {
  return (
    <>
      {agents.value.length > 0 && (
        <label class="field">
          <span>Agent</span>
          <select value={member.id} onChange={(event) => change({ ...member, id: event.currentTarget.value })}>
            <option value="">a new one</option>
            {agents.value.map(({ id, name, model }) => (
              <option key={id} value={id}>
                {name} ({model})
              </option>
            ))}
          </select>
        </label>
      )}
      {member.id === '' && <AgentFields draft={member.draft} change={(draft) => change({ ...member, draft })} />}
    </>
  )
}

const nameOf = ({ id, draft }: MemberDraft) => (id === '' ? draft.name : agentOf(id)?.name)
