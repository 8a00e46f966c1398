import { z } from 'zod'
import { Metadata, Name, Text, unlessNull } from './field.ts'
import { pageQuery, repeated } from './page.ts'

const Label = Name.min(1)
const Limit = z.int().min(1).describe('In characters; its tools keep to it')
const Tags = z.array(Name).max(1000)

/** NUL characters are taken out: no database keeps them (groups.md §4.3.1). */
const Value = z
  .string()
  .max(1_000_000)
  .overwrite((text) => text.replaceAll('\0', ''))

/** What only a hosted Letta knows; kept and given back. */
const hosted = {
  project_id: Name.nullish(),
  template_name: Name.nullish(),
  template_id: Name.nullish(),
  base_template_id: Name.nullish(),
  deployment_id: Name.nullish(),
  entity_id: Name.nullish(),
}

export const CreateBlock = z.object({
  label: Label,
  value: Value.nullable().transform((text) => text ?? ''),
  limit: Limit.default(100_000),
  description: Text.nullish(),
  read_only: z.boolean().default(false).describe('For agents, not for this API'),
  metadata: Metadata.nullish(),
  tags: Tags.nullish(),
  hidden: z.boolean().nullish(),
  is_template: z.boolean().default(false),
  preserve_on_migration: z.boolean().nullish(),
  ...hosted,
})
export type CreateBlock = z.infer<typeof CreateBlock>

/** Absent = unchanged (design §5 row 22). */
export const UpdateBlock = z.object({
  label: unlessNull(Label),
  value: unlessNull(Value),
  limit: unlessNull(Limit),
  description: Text.nullish(),
  read_only: unlessNull(z.boolean()),
  metadata: Metadata.nullish(),
  tags: Tags.nullish(),
  hidden: z.boolean().nullish(),
  is_template: unlessNull(z.boolean()),
  preserve_on_migration: z.boolean().nullish(),
  ...hosted,
})
export type UpdateBlock = z.infer<typeof UpdateBlock>

export const Block = z.object({
  value: z.string(),
  limit: z.int(),
  project_id: z.string().nullable(),
  template_name: z.string().nullable(),
  is_template: z.boolean(),
  template_id: z.string().nullable(),
  base_template_id: z.string().nullable(),
  deployment_id: z.string().nullable(),
  entity_id: z.string().nullable(),
  preserve_on_migration: z.boolean().nullable(),
  label: z.string().nullable(),
  read_only: z.boolean(),
  description: z.string().nullable(),
  metadata: Metadata.nullable(),
  hidden: z.boolean().nullable(),
  id: z.string(),
  created_by_id: z.string().nullable(),
  last_updated_by_id: z.string().nullable(),
  tags: z.array(z.string()).nullable(),
})
export type Block = z.infer<typeof Block>

const count = z.coerce.number().int().min(0)

/** `GET /v1/blocks/` (groups.md §4.3.2). */
export const ListBlocksQuery = pageQuery({ limit: 50, order: 'asc' }).extend({
  label: Name.optional(),
  name: Name.optional(),
  templates_only: z.stringbool().default(false),
  identity_id: Name.optional(),
  identifier_keys: repeated(Name),
  project_id: Name.optional(),
  tags: repeated(Name),
  match_all_tags: z.stringbool().default(false),
  label_search: Name.optional(),
  description_search: Name.optional(),
  value_search: Name.optional(),
  connected_to_agents_count_gt: count.optional(),
  connected_to_agents_count_lt: count.optional(),
  connected_to_agents_count_eq: repeated(count),
  show_hidden_blocks: z.stringbool().default(false),
})
export type ListBlocksQuery = z.infer<typeof ListBlocksQuery>
