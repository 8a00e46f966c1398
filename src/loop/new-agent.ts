import { randomInt } from 'node:crypto'
import type { NewAgent } from '../db/store.ts'
import { InvalidArgument } from '../errors.ts'
import type { Providers } from '../llm/index.ts'
import { systemRow } from './prompt.ts'
import type { AgentType, CreateAgent } from '../wire/agent.ts'
import { newId } from '../wire/id.ts'
import type { LLMConfig } from '../wire/model.ts'
import type { ToolRule } from '../wire/tool.ts'

/** The tools that an agent has from the start, as far as they are there (groups.md §5.1). */
const baseTools: Record<Exclude<AgentType, 'split_thread_agent'>, string[]> = {
  letta_v1_agent: ['conversation_search', 'memory_replace', 'memory_insert'],
  memgpt_agent: [
    'send_message',
    'conversation_search',
    'core_memory_append',
    'core_memory_replace',
    'memory',
    'memory_apply_patch',
  ],
  memgpt_v2_agent: ['send_message', 'conversation_search', 'memory_replace', 'memory_insert'],
  react_agent: [],
  workflow_agent: [],
  sleeptime_agent: ['memory_replace', 'memory_insert', 'memory_rethink', 'memory_finish_edits'],
  voice_convo_agent: ['send_message', 'search_memory'],
  voice_sleeptime_agent: ['store_memories', 'rethink_user_memory', 'finish_rethinking_memory'],
}

/** With these an agent has said or done what it had to; its turn ends (groups.md §5.6.3). */
const endsTurn = new Set(['send_message', 'memory_finish_edits', 'finish_rethinking_memory'])

/**
 * A request for an agent with everything decided that it left open.
 *
 * @throws {InvalidArgument} for a type that never ran, and what `resolve` throws for a model that nobody serves
 */
export function newAgent(create: CreateAgent, providers: Providers, defaultModel: string): NewAgent {
  const { agent_type: type } = create
  if (type === 'split_thread_agent') throw new InvalidArgument(`INVALID_ARGUMENT: Agents of type ${type} cannot be created`)
  const base = create.include_base_tools ? baseTools[type] : []
  return {
    id: newId('agent'),
    name: create.name ?? randomName(),
    system: create.system ?? (type === 'sleeptime_agent' ? sleeptimeSystem : defaultSystem),
    toolRules: toolRules(create, base),
    create,
    model: describeModel(handleOf(create) ?? defaultModel, providers),
    baseTools: base,
    firstMessage: systemRow,
  }
}

/** The model that a request names: by its handle, or by its deprecated config. */
export function handleOf({ model, llm_config }: { model?: string | null; llm_config?: LLMConfig | null }): string | undefined {
  return model ?? (llm_config ? (llm_config.handle ?? `${llm_config.model_endpoint_type}/${llm_config.model}`) : undefined)
}

/** @throws {UnknownHandle} */
export function describeModel(handle: string, providers: Providers): NewAgent['model'] {
  const { provider, model } = providers.resolve(handle)
  const contextWindow = provider.contextWindow(model)
  return { handle, name: model, providerType: provider.type, endpoint: provider.endpoint, contextWindow }
}

/** The agent's own rules; older types also stop at the tools that end a turn, unless they are told not to. */
function toolRules({ agent_type, tool_rules, include_base_tool_rules }: CreateAgent, base: string[]): ToolRule[] | null {
  const wanted = include_base_tool_rules ?? agent_type !== 'letta_v1_agent'
  const own = tool_rules ?? []
  const ruled = new Set(own.map((rule) => rule.tool_name))
  const ends = wanted ? base.filter((name) => endsTurn.has(name) && !ruled.has(name)) : []
  const all = [...own, ...ends.map((tool_name): ToolRule => ({ type: 'exit_loop', tool_name }))]
  return all.length > 0 ? all : (tool_rules ?? null)
}

const adjectives = [
  'Amber',
  'Bold',
  'Calm',
  'Clever',
  'Eager',
  'Gentle',
  'Keen',
  'Lively',
  'Mellow',
  'Nimble',
  'Quiet',
  'Sunny',
]
const nouns = [
  'Badger',
  'Comet',
  'Falcon',
  'Harbor',
  'Lantern',
  'Maple',
  'Otter',
  'Pebble',
  'River',
  'Sparrow',
  'Tiger',
  'Willow',
]
const oneOf = (words: string[]) => words[randomInt(words.length)]!
const randomName = () => oneOf(adjectives) + oneOf(nouns)

const defaultSystem = `You are a helpful agent with a lasting memory.
Memory blocks, when you have any, are always in your view. They are all you keep of a conversation once it has scrolled out of sight, so when you learn something that will matter later, write it down with your memory tools: briefly, correctly, and in place of what it makes wrong.
Earlier messages that you no longer see can be found again with your search tools.
Use a tool when it helps; when you have said what there is to say, answer without one and your turn is over.`

const sleeptimeSystem = `You keep the memory of another agent in order while it is not talking.
You are shown what was said. Bring the memory blocks up to date: small changes by replacing or inserting text, large ones by rewriting the block. Write facts, not narration; give dates as dates, never as "today"; remove what is no longer true.
When the memory is as it should be, or when there is nothing worth keeping, finish your edits.`
