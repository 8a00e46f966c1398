import { ListGroupsQuery } from '../wire/group.ts'
import { showPassage } from './archival.ts'
import { type Archive, archiveOf, recall, remember } from './archive.ts'
import { optionalInteger, stringList } from './args.ts'
import { editMemory, memoryText } from './memory-edit.ts'
import { showMessage } from './search.ts'
import { type BuiltinTool, ToolError, type ToolCallContext } from './tool.ts'

/*
 * The tools of the two agents of a voice conversation (groups.md §5.2): one talks, and searches what was; the other one works
 * behind it and keeps the memory of the first.
 */

const line = (description: string) => ({ type: 'integer', description })

export const storeMemories: BuiltinTool = {
  name: 'store_memories',
  type: 'letta_voice_sleeptime_core',
  description: 'Puts away parts of the conversation, so that they are found again later.',
  parameters: {
    type: 'object',
    properties: {
      chunks: {
        type: 'array',
        description: 'The parts, each about one thing.',
        items: {
          type: 'object',
          properties: {
            start_index: line('The first line of the part.'),
            end_index: line('Its last line.'),
            context: { type: 'string', description: 'What was said there and what it is about, to be understood on its own.' },
          },
          required: ['start_index', 'end_index', 'context'],
        },
      },
    },
    required: ['chunks'],
  },
  async run(args, call) {
    const texts = contextsOf(args['chunks'])
    await remember(await archiveServed(call), texts, [])
    return `Stored ${texts.length} memories.`
  },
}

export const rethinkUserMemory: BuiltinTool = {
  name: 'rethink_user_memory',
  type: 'letta_voice_sleeptime_core',
  description: 'Writes the memory block `human`, what is known about the user, anew as a whole.',
  parameters: {
    type: 'object',
    properties: { new_memory: { type: 'string', description: 'All that the block is to hold.' } },
    required: ['new_memory'],
  },
  async run(args, call) {
    const fresh = memoryText(args, 'new_memory')
    return editMemory(call, 'human', () => fresh)
  },
}

export const finishRethinkingMemory: BuiltinTool = {
  name: 'finish_rethinking_memory',
  type: 'letta_voice_sleeptime_core',
  description: 'Call it when the memory is as it should be: it ends your work.',
  parameters: { type: 'object', properties: {}, required: [] },
  run: async () => 'None',
}

const FOUND_LIMIT = 5
const MINUTES_MAX = 100 * 365 * 24 * 60

export const searchMemory: BuiltinTool = {
  name: 'search_memory',
  type: 'letta_voice_sleeptime_core',
  description: 'Looks for something in earlier conversations and in the archive.',
  parameters: {
    type: 'object',
    properties: {
      convo_keyword_queries: { type: 'array', items: { type: 'string' }, description: 'Words to look for.' },
      start_minutes_ago: { type: 'integer', description: 'Not earlier than this many minutes ago.' },
      end_minutes_ago: { type: 'integer', description: 'Not later than this many minutes ago.' },
    },
    required: [],
  },
  parallelSafe: true,
  async run(args, call) {
    const { store, tenant, agent } = call
    const ago = (name: string) => {
      const minutes = optionalInteger(args, name, { min: 0, max: MINUTES_MAX })
      return minutes === undefined ? undefined : Date.now() - minutes * 60_000
    }
    const span = { from: ago('start_minutes_ago'), to: ago('end_minutes_ago') }
    const text = stringList(args, 'convo_keyword_queries').join(' ')
    const said = await store.searchMessages(tenant, agent.id, { text, limit: FOUND_LIMIT, ...span })
    const kept = await recall(archiveOf(call), text, { tags: [], allTags: false, limit: FOUND_LIMIT, ...span })
    return JSON.stringify({
      conversation: said.map((message) => showMessage(message, agent.timezone)),
      archive: kept.map((passage) => showPassage(passage, agent.timezone)),
    })
  },
}

/** The archive of the agent that talks, for the one behind it: that one searches. Without such a group, its own. */
async function archiveServed(call: ToolCallContext): Promise<Archive> {
  const query = ListGroupsQuery.parse({ manager_type: 'voice_sleeptime', show_hidden_groups: 'true' })
  const [group] = await call.store.groupsOfAgent(call.tenant, call.agent.id, query)
  return { ...archiveOf(call), agentId: group?.manager_agent_id ?? call.agent.id }
}

function contextsOf(chunks: unknown): string[] {
  if (!Array.isArray(chunks)) throw new ToolError('The argument "chunks" must be a list')
  return chunks.map((chunk: { context?: unknown } | null) => {
    if (typeof chunk?.context === 'string' && chunk.context.trim() !== '') return chunk.context
    throw new ToolError('Each chunk needs a "context" that says what it is about')
  })
}
