import type { AgentDraft } from '../model/changes.ts'
import { models } from '../model/directory.ts'

export const emptyDraft = (): AgentDraft => ({ name: '', persona: '', model: '' })

interface AgentFieldsProps {
  draft: AgentDraft
  change: (draft: AgentDraft) => void
}

export function AgentFields({ draft, change }: AgentFieldsProps) {
  return (
    <>
      <div class="row">
        <label class="field">
          <span>Name</span>
          <input
            required
            maxLength={100}
            value={draft.name}
            onInput={(event) => change({ ...draft, name: event.currentTarget.value })}
          />
        </label>
        <label class="field">
          <span>Model</span>
          <select value={draft.model} onChange={(event) => change({ ...draft, model: event.currentTarget.value })}>
            <option value="">the server’s default</option>
            {draft.model !== '' && !models.value.includes(draft.model) && <option>{draft.model}</option>}
            {models.value.map((handle) => (
              <option key={handle}>{handle}</option>
            ))}
          </select>
        </label>
      </div>
      <label class="field">
        <span>Persona</span>
        <textarea
          rows={2}
          placeholder="Who it is, what it cares for, how it talks"
          value={draft.persona}
          onInput={(event) => change({ ...draft, persona: event.currentTarget.value })}
        />
      </label>
    </>
  )
}
