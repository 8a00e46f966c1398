import { useEffect, useMemo, useState } from 'preact/hooks'
import type { AgentState } from '../../wire/agent.ts'
import type { Group } from '../../wire/group.ts'
import { api } from '../model/api.ts'
import { hueOf } from '../model/colours.ts'
import { Conversation, type Target } from '../model/conversation.ts'
import { agentOf, castOf, groups, readDirectory, titleOf } from '../model/directory.ts'
import { managerKind } from '../model/managers.ts'
import { goTo } from '../model/place.ts'
import { AgentForm } from './agent-form.tsx'
import { Composer } from './composer.tsx'
import { Confirm } from './confirm.tsx'
import { GroupForm } from './group-form.tsx'
import { Bin, Chart, Eraser, Menu, Pencil } from './icons.tsx'
import { Panel } from './panel.tsx'
import { NowSpeaking } from './speaking.tsx'
import { type Seat, Table } from './table.tsx'
import { Transcript } from './transcript.tsx'
import { Welcome } from './welcome.tsx'
import './conversation-view.css'

interface ConversationViewProps {
  target: Target
  openMenu: () => void
  panelOpen: boolean
  setPanelOpen: (open: boolean) => void
}

export function ConversationView({ target, openMenu, panelOpen, setPanelOpen }: ConversationViewProps) {
  const group = target.kind === 'groups' ? groups.value.find(({ id }) => id === target.id) : undefined
  const agent = target.kind === 'agents' ? agentOf(target.id) : undefined
  const conversation = useMemo(() => new Conversation(target, () => chiefOf(target)), [target])
  useEffect(() => () => conversation.close(), [conversation])
  const cast = group ? castOf(group) : [target.id]
  const seats = cast.map((id): Seat => ({ id, name: agentOf(id)?.name ?? '?', hue: hueOf(id, cast) }))
  const speaking = conversation.active.value?.speaking.value.map(({ id }) => id) ?? []
  const empty = conversation.loaded.value && conversation.runs.value.length === 0 && conversation.outgoing.value.length === 0

  return (
    <>
      <main class="conversation" id="conversation">
        <header>
          <button type="button" class="quiet only-narrow" aria-label="Groups and agents" onClick={openMenu}>
            <Menu />
          </button>
          <Table cast={seats} speaking={speaking} />
          <div class="heading">
            <h1>{group ? titleOf(group) : (agent?.name ?? 'Agent')}</h1>
            <p>
              {group ? `${managerKind(group.manager_type).title} · ${seats.map(({ name }) => name).join(', ')}` : agent?.model}
            </p>
          </div>
          <Actions conversation={conversation} group={group} agent={agent} />
          <button
            type="button"
            class="quiet"
            aria-label="The run and what was used"
            title="The run and what was used"
            aria-pressed={panelOpen}
            onClick={() => setPanelOpen(!panelOpen)}
          >
            <Chart />
          </button>
        </header>
        <LineState conversation={conversation} />
        {empty ? <Welcome seats={seats} conversation={conversation} /> : <Transcript conversation={conversation} cast={cast} />}
        <NowSpeaking conversation={conversation} cast={cast} />
        <Composer
          key={target.id}
          conversation={conversation}
          hint={group ? 'Say something to all of them' : `Say something to ${agent?.name ?? 'it'}`}
        />
      </main>
      {panelOpen && <Panel conversation={conversation} seats={seats} close={() => setPanelOpen(false)} />}
    </>
  )
}

/** A supervisor's members work at the same time. */
function chiefOf({ id }: Target): string | undefined {
  const group = groups.peek().find((one) => one.id === id)
  return group?.manager_type === 'supervisor' ? (group.manager_agent_id ?? undefined) : undefined
}

function LineState({ conversation }: { conversation: Conversation }) {
  const failure = conversation.failure.value
  if (failure)
    return (
      <p class="line wrong" role="alert">
        {failure}
      </p>
    )
  if (conversation.line.value !== 'lost') return null
  return (
    <p class="line" role="status">
      The connection is lost. It comes back by itself, and nothing will be missing.
    </p>
  )
}

interface ActionsProps {
  conversation: Conversation
  group: Group | undefined
  agent: AgentState | undefined
}

function Actions({ conversation, group, agent }: ActionsProps) {
  const [open, setOpen] = useState<'edit' | 'clear' | 'delete'>()
  const close = () => setOpen(undefined)
  const path = group ? `/v1/groups/${group.id}` : `/v1/agents/${agent?.id}`
  const remove = async () => {
    await api.delete(path)
    goTo(undefined)
    await readDirectory()
  }
  if (!group && !agent) return null
  return (
    <>
      <button type="button" class="quiet" aria-label="Edit" title="Edit" onClick={() => setOpen('edit')}>
        <Pencil />
      </button>
      {group && (
        <button type="button" class="quiet" aria-label="Begin anew" title="Begin anew" onClick={() => setOpen('clear')}>
          <Eraser />
        </button>
      )}
      <button type="button" class="quiet" aria-label="Delete" title="Delete" onClick={() => setOpen('delete')}>
        <Bin />
      </button>
      {open === 'edit' && (group ? <GroupForm group={group} close={close} /> : <AgentForm agent={agent} close={close} />)}
      {open === 'clear' && (
        <Confirm
          title="Begin anew?"
          text="What was said in this group is taken back, and its members forget it. What they wrote to their memory stays."
          action="Begin anew"
          act={() => conversation.clear()}
          close={close}
        />
      )}
      {open === 'delete' && (
        <Confirm
          title={group ? 'Delete the group?' : `Delete ${agent!.name}?`}
          text={
            group
              ? 'What was said in it goes with it. Its agents stay, with what they remember.'
              : 'Its memory and what it said alone go with it, and groups lose it.'
          }
          action="Delete"
          act={remove}
          close={close}
        />
      )}
    </>
  )
}
