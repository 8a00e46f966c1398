import { and, asc, desc, eq, gt, lt, or, sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { NotFound } from '../errors.ts'
import type { PageQuery } from '../wire/page.ts'
import type { Db } from './db.ts'

/** A table whose rows are listed: `seq` is the order, `id` the cursor. */
type Listed = SQLiteTable & Record<'id' | 'seq' | 'tenant', SQLiteColumn>

/**
 * One page of the tenant's rows that `where` selects. `order` is the order of the array, and the cursors follow it: `after`
 * gives what follows the cursor, `before` the rows nearest before it, still in that order (design §5 row 20). A cursor that
 * `where` no longer selects still has its place.
 *
 * @param by what the rows are ordered by before `seq`; rows without it come last in either order
 * @throws {NotFound} for a cursor that is no row of the tenant's
 */
export function pageOf<T extends Listed>(
  { orm }: Pick<Db, 'orm'>,
  table: T,
  tenant: string,
  where: SQL | undefined,
  { before, after, limit, order }: Pick<PageQuery, 'before' | 'after' | 'limit' | 'order'>,
  by?: SQL,
): T['$inferSelect'][] {
  const backwards = before !== undefined && after === undefined
  const rows: T['$inferSelect'][] = orm
    .select()
    .from(table as SQLiteTable)
    .where(
      and(
        eq(table.tenant, tenant),
        where,
        after === undefined ? undefined : beyond(placeOf(after), order === 'asc' ? gt : lt, gt),
        before === undefined ? undefined : beyond(placeOf(before), order === 'asc' ? lt : gt, lt),
      ),
    )
    .orderBy(...sorted())
    .limit(limit)
    .all()
  return backwards ? rows.toReversed() : rows

  function placeOf(id: string): { seq: number; by: unknown } {
    const row = orm
      .select({ seq: sql<number>`${table.seq}`, by: by ?? sql`null` })
      .from(table as SQLiteTable)
      .where(and(eq(table.tenant, tenant), eq(table.id, id)))
      .get()
    if (!row) throw new NotFound('cursor', id)
    return row
  }

  /** What stands on one side of a place. @param lastly compares the rows without a value with the others */
  function beyond(place: { seq: number; by: unknown }, compare: typeof gt, lastly: typeof gt): SQL | undefined {
    const bySeq = compare(table.seq, place.seq)
    if (!by) return bySeq
    const missing = sql`(${by} is null)`
    const byValue = place.by === null ? bySeq : or(compare(by, place.by), and(eq(by, place.by), bySeq))
    const isMissing = place.by === null ? 1 : 0
    return or(lastly(missing, isMissing), and(eq(missing, isMissing), byValue))
  }

  function sorted(): SQL[] {
    const towards = (order === 'asc') !== backwards ? asc : desc
    return by
      ? [backwards ? desc(sql`${by} is null`) : asc(sql`${by} is null`), towards(by), towards(table.seq)]
      : [towards(table.seq)]
  }
}
