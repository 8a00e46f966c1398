import type { FoundPassage } from '../db/store.ts'
import { archiveOf, recall, remember } from './archive.ts'
import { optionalChoice, optionalInteger, stringList } from './args.ts'
import { showRelevance } from './search.ts'
import { showTime, spanArgs } from './time.ts'
import { type BuiltinTool, stringArg, ToolError } from './tool.ts'

const tags = (description: string) => ({ type: 'array', items: { type: 'string' }, description })

export const archivalMemoryInsert: BuiltinTool = {
  name: 'archival_memory_insert',
  type: 'letta_core',
  description:
    'Puts a text into your archive, which is not in view and has room for everything. Write it so that it can be understood, and found, on its own.',
  parameters: {
    type: 'object',
    properties: {
      content: { type: 'string', description: 'The text to keep.' },
      tags: tags('Words to file it under.'),
    },
    required: ['content'],
  },
  async run(args, call) {
    const content = stringArg(args, 'content')
    if (content.trim() === '') throw new ToolError('The argument "content" is empty')
    await remember(archiveOf(call), [content], stringList(args, 'tags'))
    return 'None'
  },
}

export const archivalMemorySearch: BuiltinTool = {
  name: 'archival_memory_search',
  type: 'letta_core',
  description: 'Searches your archive.',
  parameters: {
    type: 'object',
    properties: {
      query: { type: 'string', description: 'What to look for.' },
      tags: tags('Only what is filed under these.'),
      tag_match_mode: { type: 'string', enum: ['any', 'all'], description: 'Under one of the tags, or all.', default: 'any' },
      top_k: { type: 'integer', description: 'How many at most, up to 100.', default: 5 },
      start_datetime: { type: 'string', description: 'Stored from when on: 2026-02-03, or 2026-02-03T14:05 in your timezone.' },
      end_datetime: { type: 'string', description: 'Stored up to when, that day or minute included.' },
    },
    required: ['query'],
  },
  parallelSafe: true,
  async run(args, call) {
    const { timezone } = call.agent
    const found = await recall(archiveOf(call), stringArg(args, 'query'), {
      tags: stringList(args, 'tags'),
      allTags: optionalChoice(args, 'tag_match_mode', ['any', 'all']) === 'all',
      limit: optionalInteger(args, 'top_k', { min: 1, max: 100 }) ?? 5,
      ...spanArgs(args, 'start_datetime', 'end_datetime', timezone),
    })
    return JSON.stringify(found.map((passage) => showPassage(passage, timezone)))
  },
}

/** A found passage as models read it. */
export const showPassage = ({ id, text, tags: filed, createdAt, relevance }: FoundPassage, timezone: string | null) => ({
  id,
  timestamp: showTime(createdAt, timezone),
  content: text,
  tags: filed,
  ...showRelevance(relevance),
})
