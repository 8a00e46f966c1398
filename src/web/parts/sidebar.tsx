import { useState } from 'preact/hooks'
import type { AgentState } from '../../wire/agent.ts'
import type { Group } from '../../wire/group.ts'
import { hueOf, inHue } from '../model/colours.ts'
import { agentOf, agents, castOf, groups, titleOf, trouble } from '../model/directory.ts'
import { addressOf, place } from '../model/place.ts'
import { AgentForm } from './agent-form.tsx'
import { GroupForm } from './group-form.tsx'
import { Half, Moon, Plus, Sun } from './icons.tsx'
import { theme, type Theme } from '../model/theme.ts'
import './sidebar.css'

/** All groups and agents, and how to make more of them. */
export function Sidebar({ chosen }: { chosen: () => void }) {
  const [making, setMaking] = useState<'group' | 'agent'>()
  const close = () => setMaking(undefined)
  return (
    <nav class="sidebar" aria-label="Groups and agents">
      <header>
        <span class="brand">Roundtable</span>
        <ThemeButton />
      </header>
      {trouble.value && (
        <p class="wrong" role="alert">
          {trouble.value}
        </p>
      )}
      <Section title="Groups" action="New group" act={() => setMaking('group')}>
        {groups.value.map((group) => (
          <GroupLink key={group.id} group={group} chosen={chosen} />
        ))}
      </Section>
      <Section title="Agents" action="New agent" act={() => setMaking('agent')}>
        {agents.value.map((agent) => (
          <AgentLink key={agent.id} agent={agent} chosen={chosen} />
        ))}
      </Section>
      <footer>
        <a href="/docs/api">API</a>
        <a href="/openapi.json">OpenAPI</a>
      </footer>
      {making === 'group' && <GroupForm close={close} />}
      {making === 'agent' && <AgentForm close={close} />}
    </nav>
  )
}

interface SectionProps {
  title: string
  action: string
  act: () => void
  children: preact.ComponentChildren
}

function Section({ title, action, act, children }: SectionProps) {
  return (
    <section>
      <h2>
        {title}
        <button type="button" class="quiet" aria-label={action} title={action} onClick={act}>
          <Plus />
        </button>
      </h2>
      <ul>{children}</ul>
    </section>
  )
}

const isHere = (id: string) => (place.value?.id === id ? 'page' : undefined)

function GroupLink({ group, chosen }: { group: Group; chosen: () => void }) {
  const cast = castOf(group)
  return (
    <li>
      <a href={addressOf({ kind: 'groups', id: group.id })} aria-current={isHere(group.id)} onClick={chosen}>
        <span class="title">{titleOf(group)}</span>
        <span class="cast">
          {cast.slice(0, 4).map((id) => (
            <span key={id} class="dot" style={inHue(hueOf(id, cast))} />
          ))}
          <span class="names">{cast.map((id) => agentOf(id)?.name).join(', ')}</span>
        </span>
      </a>
    </li>
  )
}

function AgentLink({ agent, chosen }: { agent: AgentState; chosen: () => void }) {
  return (
    <li>
      <a href={addressOf({ kind: 'agents', id: agent.id })} aria-current={isHere(agent.id)} onClick={chosen}>
        <span class="title">{agent.name}</span>
        <span class="names">{agent.model}</span>
      </a>
    </li>
  )
}

const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }
const faces = { system: Half, light: Sun, dark: Moon }

function ThemeButton() {
  const Face = faces[theme.value]
  const label = `Colours: ${theme.value === 'system' ? 'as the system says' : theme.value}`
  return (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={() => (theme.value = next[theme.value])}>
      <Face />
    </button>
  )
}
