import { z } from 'zod'
import { Name } from './field.ts'
import { MessageTypes } from './message-type.ts'

/** What a list does when it is not told. */
export interface PageDefaults {
  limit: number
  order: 'asc' | 'desc'
}

/** What every list takes: `order` is the order of the array, and the cursors follow it (design §5 row 20). */
export const pageQuery = ({ limit, order }: PageDefaults) =>
  z.object({
    before: Name.optional().describe('Only what comes before this id, in the order asked for'),
    after: Name.optional().describe('Only what comes after this id, in the order asked for'),
    limit: z.coerce.number().int().min(1).max(1000).default(limit),
    order: z.enum(['asc', 'desc']).default(order),
    order_by: z.literal('created_at').default('created_at'),
  })

export type PageQuery = z.infer<ReturnType<typeof pageQuery>>

/** `GET /v1/tags/`: the cursors are tags. */
export const ListTagsQuery = pageQuery({ limit: 50, order: 'asc' }).extend({
  order_by: z.literal('name').default('name'),
  name: Name.optional().describe('Only tags that have this in them'),
  query_text: Name.optional().describe('Deprecated: `name`'),
})
export type ListTagsQuery = z.infer<typeof ListTagsQuery>

/** A key that may be repeated: one value comes as a string, several as an array. */
export const repeated = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).max(1000)).optional()

/** Lists of messages; what is deprecated is accepted and does nothing. */
export const ListMessagesQuery = (defaults: PageDefaults) =>
  pageQuery(defaults).extend({
    include_return_message_types: z.preprocess(
      (value) => (value === undefined || Array.isArray(value) ? value : [value]),
      MessageTypes,
    ),
    group_id: Name.optional(),
    conversation_id: Name.optional(),
    include_err: z.stringbool().optional(),
    use_assistant_message: z.stringbool().default(true),
    assistant_message_tool_name: Name.default('send_message'),
    assistant_message_tool_kwarg: Name.default('message'),
  })
export type ListMessagesQuery = z.infer<ReturnType<typeof ListMessagesQuery>>
