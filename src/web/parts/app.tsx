import { useEffect, useState } from 'preact/hooks'
import { announcement } from '../model/announcer.ts'
import { agents, groups, known, readDirectory } from '../model/directory.ts'
import { locked } from '../model/key.ts'
import { goTo, place } from '../model/place.ts'
import { ConversationView } from './conversation-view.tsx'
import { Menu } from './icons.tsx'
import { KeyGate } from './key-gate.tsx'
import { Sidebar } from './sidebar.tsx'
import './base.css'
import './form.css'
import './app.css'

const PANEL = 'roundtable.panel'

export function App() {
  const [menuOpen, setMenuOpen] = useState(false)
  const [panelOpen, setPanelOpen] = useState(() => innerWidth >= 1100 && localStorage.getItem(PANEL) !== 'closed')
  useEffect(() => {
    void readDirectory()
    const again = () => document.visibilityState === 'visible' && void readDirectory()
    document.addEventListener('visibilitychange', again)
    return () => document.removeEventListener('visibilitychange', again)
  }, [])
  useEffect(() => {
    const [group] = groups.value
    const [agent] = agents.value
    if (!known.value || place.value) return
    if (group) goTo({ kind: 'groups', id: group.id })
    else if (agent) goTo({ kind: 'agents', id: agent.id })
  }, [known.value, place.value, groups.value, agents.value])
  useEffect(() => {
    if (!menuOpen) return
    const onKey = ({ key }: KeyboardEvent) => {
      // A dialog that is open is closed first.
      if (key === 'Escape' && !document.querySelector('dialog[open]')) setMenuOpen(false)
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [menuOpen])

  if (locked.value !== undefined) return <KeyGate />
  const keepPanel = (open: boolean) => {
    setPanelOpen(open)
    localStorage.setItem(PANEL, open ? 'open' : 'closed')
  }
  return (
    <div class={`app${menuOpen ? ' menu-open' : ''}${panelOpen ? ' panel-open' : ''}`}>
      <a class="skip" href="#composer" onClick={focusComposer}>
        Skip to your message
      </a>
      <Sidebar chosen={() => setMenuOpen(false)} />
      <div class="veil" onClick={() => setMenuOpen(false)} />
      {place.value ? (
        <ConversationView
          key={place.value.id}
          target={place.value}
          openMenu={() => setMenuOpen(true)}
          panelOpen={panelOpen}
          setPanelOpen={keepPanel}
        />
      ) : (
        <main class="nothing">
          <button type="button" class="quiet only-narrow" aria-label="Groups and agents" onClick={() => setMenuOpen(true)}>
            <Menu />
          </button>
          {known.value && <p>There is no group yet: make one with the + beside “Groups”.</p>}
        </main>
      )}
      <div class="visually-hidden" aria-live="polite">
        {announcement.value}
      </div>
    </div>
  )
}

function focusComposer(event: Event) {
  event.preventDefault()
  document.getElementById('composer')?.focus()
}
