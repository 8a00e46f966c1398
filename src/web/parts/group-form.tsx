import { useState } from 'preact/hooks'
import type { Group, ManagerType } from '../../wire/group.ts'
import { wordsFor } from '../model/api.ts'
import { createAgent, createGroup, updateGroup } from '../model/changes.ts'
import { readDirectory } from '../model/directory.ts'
import { managerConfig, managerKind, managerKinds, settingsOf } from '../model/managers.ts'
import { goTo } from '../model/place.ts'
import { Dialog } from './dialog.tsx'
import { FormEnd } from './form-end.tsx'
import { emptyDraft } from './agent-fields.tsx'
import { type MemberDraft, MemberFields, Members } from './members.tsx'
import './group-form.css'

const newMember = (): MemberDraft => ({ key: crypto.randomUUID(), id: '', draft: emptyDraft() })
const memberOf = (id: string): MemberDraft => ({ ...newMember(), id })

/** Makes a group and the agents in it, in one form; or changes one. */
export function GroupForm({ group, close }: { group?: Group; close: () => void }) {
  const [description, setDescription] = useState(group?.description ?? '')
  const [members, setMembers] = useState(() => group?.agent_ids.map(memberOf) ?? [newMember(), newMember(), newMember()])
  const [type, setType] = useState<ManagerType>(group?.manager_type ?? 'round_robin')
  const [chief, setChief] = useState(() => (group?.manager_agent_id ? memberOf(group.manager_agent_id) : newMember()))
  const [settings, setSettings] = useState<Record<string, string>>(() => (group ? settingsOf(group) : {}))
  const [failure, setFailure] = useState<string>()
  const [working, setWorking] = useState(false)
  const kind = managerKind(type)

  /** An agent that was made is kept in the form: after a failure it is not made again. */
  const made = async (member: MemberDraft): Promise<MemberDraft> =>
    member.id === '' ? { ...member, id: (await createAgent(member.draft)).id } : member

  const submit = async (event: Event) => {
    event.preventDefault()
    setWorking(true)
    setFailure(undefined)
    try {
      const ready: MemberDraft[] = []
      for (const member of members) {
        ready.push(await made(member))
        setMembers([...ready, ...members.slice(ready.length)])
      }
      const manager = kind.chief === undefined ? undefined : await made(chief)
      if (manager) setChief(manager)
      const config = managerConfig(type, settings, manager?.id)
      const draft = { description: description.trim(), agent_ids: ready.map(({ id }) => id), manager_config: config }
      const { id } = group ? await updateGroup(group.id, draft) : await createGroup(draft)
      await readDirectory()
      goTo({ kind: 'groups', id })
      close()
    } catch (error) {
      await readDirectory()
      setFailure(wordsFor(error))
    }
    setWorking(false)
  }

  return (
    <Dialog title={group ? 'Edit the group' : 'New group'} close={close}>
      <form class="group-form" onSubmit={(event) => void submit(event)}>
        <label class="field">
          <span>What it is for</span>
          <input
            required
            value={description}
            placeholder="Three friends plan a weekend"
            onInput={(event) => setDescription(event.currentTarget.value)}
          />
        </label>
        <Members members={members} change={setMembers} add={() => setMembers([...members, newMember()])} />
        <fieldset class="kinds">
          <legend>{group ? 'Who speaks (this stays as it is)' : 'Who speaks'}</legend>
          {(group ? [kind] : managerKinds).map((one) => (
            <label key={one.type}>
              <input type="radio" name="manager" checked={type === one.type} onChange={() => setType(one.type)} />
              <b>{one.title}</b> <span>{one.how}</span>
            </label>
          ))}
        </fieldset>
        {kind.chief !== undefined && (
          <fieldset class="member">
            <legend>{kind.chief}</legend>
            <MemberFields member={chief} change={setChief} />
          </fieldset>
        )}
        {kind.settings.length > 0 && (
          <div class="row">
            {kind.settings.map(({ name, label, kind: sort, empty }) => (
              <label key={name} class="field">
                <span>{label}</span>
                <input
                  inputMode={sort === 'number' ? 'numeric' : 'text'}
                  pattern={sort === 'number' ? '[1-9][0-9]*' : undefined}
                  placeholder={empty}
                  value={settings[name] ?? ''}
                  onInput={(event) => setSettings({ ...settings, [name]: event.currentTarget.value })}
                />
              </label>
            ))}
          </div>
        )}
        <FormEnd
          action={group ? 'Save' : 'Make the group'}
          close={close}
          failure={failure}
          disabled={working || members.length === 0}
        />
      </form>
    </Dialog>
  )
}
