import type { Store } from '../db/store.ts'
import { InvalidArgument } from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import type { AgentState } from '../wire/agent.ts'
import type { Summarized } from '../wire/response.ts'
import { compact } from './compaction.ts'
import { summariser } from './summariser.ts'

/**
 * Summarises an agent's older messages because somebody asks (`POST /v1/agents/{agent_id}/summarize`, groups.md §5.5.4). Safe
 * while the agent speaks: steps store whole units, and only ever behind what is evicted here.
 *
 * @param settings for this time, instead of the agent's
 * @throws {InvalidArgument} when nothing is gained; {Conflict} when the context was changed meanwhile; what the model throws
 */
export async function summarizeAgent(
  { store, providers }: { store: Pick<Store, 'findAgent' | 'contextOf' | 'compactContext'>; providers: Providers },
  tenant: string,
  agentId: string,
  { settings, signal }: { settings?: AgentState['compaction_settings'] | undefined; signal: AbortSignal },
): Promise<Summarized> {
  const found = await store.findAgent(tenant, agentId)
  const agent = { ...found, compaction_settings: settings ?? found.compaction_settings }
  const done = await compact({
    rows: await store.contextOf(agentId),
    agent,
    settings: agent.compaction_settings,
    window: agent.llm_config.context_window,
    ...summariser({ agent, providers, signal }),
    trigger: 'summarize_request',
    force: true,
  })
  if (!done) throw new InvalidArgument('INVALID_ARGUMENT: Nothing to summarize: there are too few messages in the context')
  await store.compactContext(tenant, agentId, done.evicted, done.summary)
  const { messages_count_before, messages_count_after } = done.stats
  return { summary: done.text, num_messages_before: messages_count_before, num_messages_after: messages_count_after }
}
