import { batch, signal } from '@preact/signals'
import type { AgentState } from '../../wire/agent.ts'
import type { Group } from '../../wire/group.ts'
import type { Model } from '../../wire/model.ts'
import { api, wordsFor } from './api.ts'

/** All groups and agents that there are, the newest first, and what models they can have. */
export const groups = signal<Group[]>([])
export const agents = signal<AgentState[]>([])
export const models = signal<string[]>([])
export const known = signal(false)
export const trouble = signal<string | undefined>(undefined)

export async function readDirectory(): Promise<void> {
  try {
    const [allGroups, allAgents, allModels] = await Promise.all([
      api.get<Group[]>('/v1/groups/?limit=1000&order=desc'),
      api.get<AgentState[]>('/v1/agents/?limit=1000'),
      api.get<Model[]>('/v1/models/'),
    ])
    batch(() => {
      groups.value = allGroups
      agents.value = allAgents
      models.value = allModels.flatMap(({ handle }) => handle ?? [])
      known.value = true
      trouble.value = undefined
    })
  } catch (error) {
    trouble.value = wordsFor(error)
  }
}

export const agentOf = (id: string | null): AgentState | undefined => agents.value.find((agent) => agent.id === id)

/** A group's members in speaking order, its manager agent first where that is none of them. */
export function castOf({ agent_ids: ids, manager_agent_id: manager }: Group): string[] {
  return [...new Set([...(manager !== null && !ids.includes(manager) ? [manager] : []), ...ids])]
}

/** What a group is called: what it is for, or who is in it. */
export const titleOf = (group: Group): string =>
  group.description.trim() ||
  castOf(group)
    .flatMap((id) => agentOf(id)?.name ?? [])
    .join(', ') ||
  'A group'

export const personaOf = (agent: AgentState): string => agent.blocks.find(({ label }) => label === 'persona')?.value ?? ''
