import type { Store } from '../db/store.ts'
import type { Providers } from '../llm/index.ts'
import { type AgentState, CreateAgent } from '../wire/agent.ts'
import { GroupCreate } from '../wire/group.ts'
import { newAgent } from './new-agent.ts'

/** How often a companion works, when nobody says otherwise (groups.md §3.4.1). */
const FREQUENCY = 5
const VOICE_BUFFER = { max_message_buffer_length: 30, min_message_buffer_length: 15 }

const persona = `I keep the memory of another agent. I read what was said after it was said, put together what belongs together,
notice patterns and draw careful conclusions, so that the memory says what matters, clearly and once.`

/**
 * Gives an agent that asks for it (`enable_sleeptime`) a companion that works on its memory in the background: an agent that
 * shares all its blocks, in a group that it manages. One that manages a group already keeps that.
 */
export async function addCompanion(
  { store, providers }: { store: Store; providers: Providers },
  tenant: string,
  agent: AgentState,
): Promise<AgentState> {
  if (!agent.enable_sleeptime || agent.managed_group) return agent
  const voice = agent.agent_type === 'voice_convo_agent'
  const create = CreateAgent.parse({
    name: `${agent.name}-sleeptime`,
    agent_type: voice ? 'voice_sleeptime_agent' : 'sleeptime_agent',
    block_ids: agent.blocks.map(({ id }) => id),
    memory_blocks: [{ label: 'memory_persona', value: persona }],
    model_settings: agent.model_settings,
  })
  const companion = await store.createAgent(tenant, newAgent(create, providers, agent.model!))
  const manager_config = voice
    ? { manager_type: 'voice_sleeptime', manager_agent_id: agent.id, ...VOICE_BUFFER }
    : { manager_type: 'sleeptime', manager_agent_id: agent.id, sleeptime_agent_frequency: FREQUENCY }
  await store.createGroup(tenant, GroupCreate.parse({ agent_ids: [companion.id], description: '', manager_config }))
  return await store.findAgent(tenant, agent.id)
}
