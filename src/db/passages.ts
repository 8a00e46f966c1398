import { and, desc, eq, inArray, isNull, ne, or } from 'drizzle-orm'
import { newId } from '../wire/id.ts'
import { passages } from './schema.ts'
import { spanOf } from './search.ts'
import type { Db } from './db.ts'
import type { Passage, PassageFilter, Passages, Vector } from './store.ts'
import { textSearch } from './words.ts'

/** How many vectors one search compares: about 50 ms for the usual 1536 numbers each. */
const COMPARED_LIMIT = 5000

const filtered = `t.created_at BETWEEN @from AND @to AND (@needed = 0 OR @needed <= (
  SELECT count(*) FROM json_each(@tags) wanted WHERE wanted.value IN (SELECT value FROM json_each(t.tags))))`

export const passageQueries = (db: Db): Passages => {
  const { orm, raw, write } = db
  const search = textSearch(db, { words: 'passage_search', rows: 'passages', texts: 'passages', where: filtered })
  const counted = raw
    .prepare<[string, string], number>('SELECT count(*) FROM passages WHERE tenant = ? AND agent_id = ?')
    .pluck()
  const vectors = raw.prepare<[object], { seq: number; vector: Buffer }>(`
    SELECT seq, vector FROM passages t
    WHERE tenant = @tenant AND agent_id = @agent AND vector_model = @model AND length(vector) = @bytes AND ${filtered}
    ORDER BY seq DESC LIMIT ${COMPARED_LIMIT}`)

  const shown = (found: { seq: number; relevance: number | null }[]) => {
    const rows = orm
      .select()
      .from(passages)
      .where(
        inArray(
          passages.seq,
          found.map(({ seq }) => seq),
        ),
      )
      .all()
    const bySeq = new Map(rows.map((row) => [row.seq, row]))
    return found.map(({ seq, relevance }) => ({ ...toPassage(bySeq.get(seq)!), relevance }))
  }

  return {
    async addPassages(tenant, agentId, added) {
      if (added.length === 0) return []
      const createdAt = Date.now()
      const rows = added.map(({ text, tags, vector }) => ({
        id: newId('passage'),
        tenant,
        agentId,
        text,
        tags,
        ...columnsOf(vector),
        createdAt,
      }))
      return write(() => orm.insert(passages).values(rows).returning().all().map(toPassage))
    },
    async searchPassages(tenant, agent, text, filter) {
      return shown(search(text, { tenant, agent, ...parametersOf(filter) }))
    },
    async nearestPassages(tenant, agent, { model, values }, filter) {
      const asked = unit(values)
      const compared: { seq: number; relevance: number }[] = []
      for (const row of vectors.iterate({ tenant, agent, model, bytes: asked.byteLength, ...parametersOf(filter) })) {
        compared.push({ seq: row.seq, relevance: dot(asked, floatsOf(row.vector)) })
      }
      return shown(compared.toSorted((a, b) => b.relevance - a.relevance || b.seq - a.seq).slice(0, filter.limit))
    },
    async passagesWithoutVector(tenant, agentId, model, limit) {
      const unread = or(isNull(passages.vectorModel), ne(passages.vectorModel, model))
      return orm
        .select()
        .from(passages)
        .where(and(eq(passages.tenant, tenant), eq(passages.agentId, agentId), unread))
        .orderBy(desc(passages.seq))
        .limit(limit)
        .all()
        .map(toPassage)
    },
    async setVectors(tenant, set) {
      await write(() => {
        for (const { id, vector } of set) {
          orm
            .update(passages)
            .set(columnsOf(vector))
            .where(and(eq(passages.tenant, tenant), eq(passages.id, id)))
            .run()
        }
      })
    },
    async countPassages(tenant, agentId) {
      return counted.get(tenant, agentId)!
    },
  }
}

const toPassage = ({ id, text, tags, createdAt }: Passage): Passage => ({ id, text, tags, createdAt })

const columnsOf = (vector: Vector | undefined) => ({
  vector: vector ? Buffer.from(unit(vector.values).buffer) : null,
  vectorModel: vector?.model ?? null,
})

function parametersOf({ tags, allTags, limit, from, to }: PassageFilter) {
  const wanted = [...new Set(tags)]
  const needed = allTags ? wanted.length : Math.min(wanted.length, 1)
  return { tags: JSON.stringify(wanted), needed, limit, ...spanOf({ from, to }) }
}

/** Scaled to length 1, so the cosine of two of them is their product. */
function unit(values: number[]): Float32Array<ArrayBuffer> {
  const length = Math.hypot(...values) || 1
  return Float32Array.from(values, (value) => value / length)
}

/** A copy where the bytes do not stand as floats must. */
function floatsOf(bytes: Buffer): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(Uint8Array.from(bytes).buffer)
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4)
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
