import type { Block, CreateBlock, UpdateBlock } from '../wire/block.ts'
import { newId } from '../wire/id.ts'
import { given } from './patch.ts'
import type { blocks } from './schema.ts'

export type BlockRow = typeof blocks.$inferSelect

/** What an agent reads about these two when nobody described them (groups.md §4.2.2). */
const stockDescriptions: Record<string, string> = {
  human: 'What you know about the person you are talking with: who they are, what they want and like. Keep it current.',
  persona: 'Who you are: your character, your manner and what you care about. It guides how you speak and act.',
}

/** The row of a new block. */
export function newBlockRow(tenant: string, create: CreateBlock): typeof blocks.$inferInsert & { id: string } {
  const now = Date.now()
  return {
    id: newId('block'),
    tenant,
    label: create.label,
    value: create.value,
    limit: create.limit,
    description: create.description ?? stockDescriptions[create.label] ?? null,
    readOnly: create.read_only,
    metadata: create.metadata ?? {},
    tags: create.tags ?? [],
    projectId: create.project_id ?? null,
    hosted: {
      template_name: create.template_name ?? null,
      is_template: create.is_template,
      template_id: create.template_id ?? null,
      base_template_id: create.base_template_id ?? null,
      deployment_id: create.deployment_id ?? null,
      entity_id: create.entity_id ?? null,
      preserve_on_migration: create.preserve_on_migration ?? false,
    },
    hidden: create.hidden ?? null,
    createdAt: now,
    updatedAt: now,
  }
}

/** The columns that an update sets: null is a value, absent is unchanged (design §5 row 22). */
export function changedColumns(row: BlockRow, update: UpdateBlock): Partial<typeof blocks.$inferInsert> {
  const hosted = given({
    template_name: update.template_name,
    is_template: update.is_template,
    template_id: update.template_id,
    base_template_id: update.base_template_id,
    deployment_id: update.deployment_id,
    entity_id: update.entity_id,
    preserve_on_migration: update.preserve_on_migration,
  })
  return {
    label: update.label,
    value: update.value,
    limit: update.limit,
    description: update.description,
    readOnly: update.read_only,
    metadata: update.metadata,
    tags: update.tags,
    projectId: update.project_id,
    hosted: { ...row.hosted, ...hosted },
    hidden: update.hidden,
    updatedAt: Date.now(),
  }
}

export const toBlock = (row: BlockRow): Block => ({
  id: row.id,
  label: row.label,
  value: row.value,
  limit: row.limit,
  description: row.description,
  read_only: row.readOnly,
  metadata: row.metadata,
  tags: row.tags,
  project_id: row.projectId,
  ...row.hosted,
  hidden: row.hidden,
  created_by_id: null,
  last_updated_by_id: null,
})
