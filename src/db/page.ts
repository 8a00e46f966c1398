import { and, asc, desc, eq, gt, lt, type SQL } from 'drizzle-orm'
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
 * @throws {NotFound} for a cursor that is no row of the tenant's
 */
export function pageOf<T extends Listed>(
  { orm }: Pick<Db, 'orm'>,
  table: T,
  tenant: string,
  where: SQL | undefined,
  { before, after, limit, order }: Pick<PageQuery, 'before' | 'after' | 'limit' | 'order'>,
): T['$inferSelect'][] {
  const placeOf = (id: string) => {
    const row = orm
      .select({ seq: table.seq })
      .from(table as SQLiteTable)
      .where(and(eq(table.tenant, tenant), eq(table.id, id)))
      .get()
    if (!row) throw new NotFound('cursor', id)
    return row.seq
  }
  const [following, preceding] = order === 'asc' ? [gt, lt] : [lt, gt]
  const backwards = before !== undefined && after === undefined
  const towards = (order === 'asc') !== backwards ? asc : desc
  const rows: T['$inferSelect'][] = orm
    .select()
    .from(table as SQLiteTable)
    .where(
      and(
        eq(table.tenant, tenant),
        where,
        after === undefined ? undefined : following(table.seq, placeOf(after)),
        before === undefined ? undefined : preceding(table.seq, placeOf(before)),
      ),
    )
    .orderBy(towards(table.seq))
    .limit(limit)
    .all()
  return backwards ? rows.toReversed() : rows
}
