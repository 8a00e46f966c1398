import type { Group, ManagerType } from '../../wire/group.ts'

/** A setting of a manager, as a form asks for it. */
export interface Setting {
  name:
    | 'max_turns'
    | 'termination_token'
    | 'sleeptime_agent_frequency'
    | 'max_message_buffer_length'
    | 'min_message_buffer_length'
  label: string
  kind: 'number' | 'text'
  empty: string
}

export interface ManagerKind {
  type: ManagerType
  title: string
  how: string
  /** Whether one of the agents decides or answers; undefined: none does. */
  chief?: string
  settings: Setting[]
}

const turns: Setting = { name: 'max_turns', label: 'Turns', kind: 'number', empty: 'one each' }

export const managerKinds: ManagerKind[] = [
  { type: 'round_robin', title: 'In turn', how: 'Everybody, in this order.', settings: [turns] },
  {
    type: 'dynamic',
    title: 'Moderated',
    how: 'A moderator says who speaks next.',
    chief: 'The moderator',
    settings: [turns, { name: 'termination_token', label: 'Word that ends it', kind: 'text', empty: 'DONE!' }],
  },
  {
    type: 'supervisor',
    title: 'Supervised',
    how: 'One asks all of them at once, then answers you.',
    chief: 'The supervisor',
    settings: [],
  },
  {
    type: 'swarm',
    title: 'Handed over',
    how: 'Whoever has the word passes it on.',
    settings: [{ ...turns, empty: 'until nobody passes on' }],
  },
  {
    type: 'sleeptime',
    title: 'In the background',
    how: 'One answers; the others think it over afterwards.',
    chief: 'Who answers',
    settings: [{ name: 'sleeptime_agent_frequency', label: 'Every how many turns', kind: 'number', empty: 'every' }],
  },
  {
    type: 'voice_sleeptime',
    title: 'In the background, when full',
    how: 'The same, once the conversation has outgrown its buffer.',
    chief: 'Who answers',
    settings: [
      { name: 'max_message_buffer_length', label: 'Messages at most', kind: 'number', empty: '30' },
      { name: 'min_message_buffer_length', label: 'Messages kept', kind: 'number', empty: '15' },
    ],
  },
]

export const managerKind = (type: ManagerType): ManagerKind => managerKinds.find((kind) => kind.type === type)!

/** What a group has set, as texts of a form. */
export const settingsOf = (group: Group): Record<string, string> =>
  Object.fromEntries(managerKind(group.manager_type).settings.map(({ name }) => [name, String(group[name] ?? '')]))

/** A group's `manager_config`. An empty field means the default. */
export function managerConfig(type: ManagerType, given: Record<string, string>, chief: string | undefined): object {
  const settings = managerKind(type).settings.flatMap(({ name, kind }): [string, string | number | null][] => {
    const text = given[name]?.trim() ?? ''
    if (text !== '') return [[name, kind === 'number' ? Number(text) : text]]
    return name === 'termination_token' ? [] : [[name, null]]
  })
  return { manager_type: type, ...(chief !== undefined && { manager_agent_id: chief }), ...Object.fromEntries(settings) }
}
