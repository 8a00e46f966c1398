import type { Db } from './db.ts'
import type { Tags } from './store.ts'

/** The tags of a tenant's agents and blocks. */
export const tagQueries = ({ raw }: Db): Tags => {
  const list = (direction: 'asc' | 'desc') =>
    raw.prepare<[Record<string, string | number | null>], { tag: string }>(
      `SELECT tag FROM (
         SELECT t.tag FROM agent_tags t JOIN agents a ON a.id = t.agent_id WHERE a.tenant = @tenant
         UNION SELECT j.value FROM blocks b, json_each(coalesce(b.tags, '[]')) j WHERE b.tenant = @tenant)
       WHERE (@text IS NULL OR instr(lower(tag), lower(@text)) > 0)
         AND (@above IS NULL OR tag > @above) AND (@below IS NULL OR tag < @below)
       ORDER BY tag ${direction} LIMIT @limit`,
    )
  const statements = { asc: list('asc'), desc: list('desc') }
  return {
    async listTags(tenant, { before, after, limit, order, name, query_text }) {
      const [above, below] = order === 'asc' ? [after, before] : [before, after]
      const backwards = before !== undefined && after === undefined
      const direction = (order === 'asc') !== backwards ? 'asc' : 'desc'
      const bounds = { tenant, limit, text: name ?? query_text ?? null, above: above ?? null, below: below ?? null }
      const tags = statements[direction].all(bounds).map(({ tag }) => tag)
      return backwards ? tags.toReversed() : tags
    },
  }
}
