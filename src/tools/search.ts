import type { FoundMessage } from '../db/store.ts'
import { optionalInteger, optionalString, stringList } from './args.ts'
import { showTime, spanArgs, timeAgo } from './time.ts'
import { type BuiltinTool, ToolError } from './tool.ts'

const TEXT_LIMIT = 5000

/** Who is meant by a role: what an agent heard of others in a group is stored as `system` and came from outside as well. */
const rolesFor = {
  user: ['user', 'system'],
  assistant: ['assistant', 'approval'],
  // Results of tools are not searched: they would find earlier searches.
  tool: [],
} as const

export const conversationSearch: BuiltinTool = {
  name: 'conversation_search',
  type: 'letta_core',
  description:
    'Searches what was said in your conversations, also what you no longer see. A message is found by any of the words; without a query you get the newest ones.',
  parameters: {
    type: 'object',
    properties: {
      query: { type: 'string', description: 'Words to look for.' },
      roles: {
        type: 'array',
        items: { type: 'string', enum: Object.keys(rolesFor) },
        description: 'Whose messages: `user` is what was said to you, `assistant` what you said. Left out: both.',
      },
      limit: { type: 'integer', description: 'How many at most, up to 50.', default: 5 },
      start_date: { type: 'string', description: 'From when on: 2026-02-03, or 2026-02-03T14:05 in your timezone.' },
      end_date: { type: 'string', description: 'Up to when, that day or minute included.' },
    },
    required: [],
  },
  parallelSafe: true,
  async run(args, { store, tenant, agent }) {
    const found = await store.searchMessages(tenant, agent.id, {
      text: optionalString(args, 'query') ?? '',
      roles: rolesArg(args),
      limit: optionalInteger(args, 'limit', { min: 1, max: 50 }) ?? 5,
      ...spanArgs(args, 'start_date', 'end_date', agent.timezone),
    })
    const results = found.map((message) => showMessage(message, agent.timezone))
    const message = results.length === 0 ? 'No results found.' : `Showing ${results.length} results:`
    return JSON.stringify({ message, results })
  },
}

/** A found message as models read it. */
export const showMessage = ({ role, name, text, date, relevance }: FoundMessage, timezone: string | null) => ({
  timestamp: showTime(date, timezone),
  time_ago: timeAgo(date, Date.now()),
  role: role === 'approval' ? 'assistant' : role,
  ...(name !== null && { name }),
  ...showRelevance(relevance),
  content: text.length > TEXT_LIMIT ? `${text.slice(0, TEXT_LIMIT)}… (${text.length - TEXT_LIMIT} more characters)` : text,
})

export const showRelevance = (relevance: number | null) =>
  relevance === null ? {} : { relevance: Math.round(relevance * 100) / 100 }

function rolesArg(args: Record<string, unknown>): FoundMessage['role'][] | undefined {
  const asked = stringList(args, 'roles')
  if (asked.length === 0) return undefined
  return asked.flatMap((role): FoundMessage['role'][] => {
    if (!Object.hasOwn(rolesFor, role))
      throw new ToolError(`There is no role '${role}'; there are: ${Object.keys(rolesFor).join(', ')}`)
    return [...rolesFor[role as keyof typeof rolesFor]]
  })
}
