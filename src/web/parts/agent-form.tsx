import { useState } from 'preact/hooks'
import type { AgentState } from '../../wire/agent.ts'
import { wordsFor } from '../model/api.ts'
import { createAgent, setApproval, updateAgent } from '../model/changes.ts'
import { agentOf, personaOf, readDirectory } from '../model/directory.ts'
import { goTo } from '../model/place.ts'
import { AgentFields, emptyDraft } from './agent-fields.tsx'
import { Dialog } from './dialog.tsx'
import { FormEnd } from './form-end.tsx'

/** Makes an agent, or changes one. */
export function AgentForm({ agent, close }: { agent?: AgentState; close: () => void }) {
  const [draft, setDraft] = useState(() =>
    agent ? { name: agent.name, persona: personaOf(agent), model: agent.model ?? '' } : emptyDraft(),
  )
  const [failure, setFailure] = useState<string>()
  const submit = async (event: Event) => {
    event.preventDefault()
    try {
      if (agent) await updateAgent(agent, draft)
      else goTo({ kind: 'agents', id: (await createAgent(draft)).id })
      await readDirectory()
      close()
    } catch (error) {
      setFailure(wordsFor(error))
    }
  }
  return (
    <Dialog title={agent ? `Edit ${agent.name}` : 'New agent'} close={close}>
      <form onSubmit={(event) => void submit(event)}>
        <AgentFields draft={draft} change={setDraft} />
        {agent && <Tools agent={agentOf(agent.id) ?? agent} />}
        <FormEnd action={agent ? 'Save' : 'Make it'} close={close} failure={failure} />
      </form>
    </Dialog>
  )
}

/** What it can do, and what it must ask for. */
function Tools({ agent }: { agent: AgentState }) {
  const [failure, setFailure] = useState<string>()
  const asks = (name: string) =>
    agent.tool_rules?.some((rule) => rule.type === 'requires_approval' && rule.tool_name === name) ?? false
  const toggle = (name: string) =>
    void setApproval(agent, name, !asks(name)).catch((error: unknown) => setFailure(wordsFor(error)))
  const names = agent.tools.flatMap(({ name }) => name ?? [])
  if (names.length === 0) return null
  return (
    <fieldset class="tools">
      <legend>Ask me before it calls</legend>
      {names.map((name) => (
        <label key={name}>
          <input type="checkbox" checked={asks(name)} onChange={() => toggle(name)} /> <code>{name}</code>
        </label>
      ))}
      {failure && <p class="wrong">{failure}</p>}
    </fieldset>
  )
}
