import type { AgentState } from '../../wire/agent.ts'
import type { Group } from '../../wire/group.ts'
import { api } from './api.ts'
import { personaOf, readDirectory } from './directory.ts'

/** What an agent is, as a person fills it in. */
export interface AgentDraft {
  name: string
  persona: string
  /** Empty: the server's default. */
  model: string
}

export async function createAgent({ name, persona, model }: AgentDraft): Promise<AgentState> {
  const memory_blocks = persona.trim() === '' ? [] : [{ label: 'persona', value: persona.trim() }]
  return await api.post<AgentState>('/v1/agents/', { name: name.trim(), memory_blocks, ...(model !== '' && { model }) })
}

export async function updateAgent(agent: AgentState, { name, persona, model }: AgentDraft): Promise<void> {
  await api.patch(`/v1/agents/${agent.id}`, { name: name.trim(), ...(model !== '' && { model }) })
  if (persona === personaOf(agent)) return
  const block = agent.blocks.find(({ label }) => label === 'persona')
  if (block) await api.patch(`/v1/blocks/${block.id}`, { value: persona })
  else {
    const { id } = await api.post<{ id: string }>('/v1/blocks/', { label: 'persona', value: persona })
    await api.patch(`/v1/agents/${agent.id}/core-memory/blocks/attach/${id}`)
  }
}

/** Whether a call of this tool waits for leave. */
export async function setApproval(agent: AgentState, tool: string, requires_approval: boolean): Promise<void> {
  await api.patch(`/v1/agents/${agent.id}/tools/approval/${tool}`, { requires_approval })
  await readDirectory()
}

/** A group as it is asked for. Its agents are made before it. */
export interface GroupDraft {
  description: string
  agent_ids: string[]
  manager_config: object
}

export const createGroup = (draft: GroupDraft) => api.post<Group>('/v1/groups/', draft)
export const updateGroup = (id: string, draft: GroupDraft) => api.patch<Group>(`/v1/groups/${id}`, draft)
