import { getTableColumns, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Db } from './db.ts'

/**
 * An insert of one whole row, built once: to build it anew takes longer than the insert. What a row leaves out is the column's
 * default, or null.
 *
 * @returns how to insert a row, which returns its `seq`
 */
export function inserter<T extends SQLiteTable>({ orm }: Pick<Db, 'orm'>, table: T): (row: T['$inferInsert']) => number {
  const columns = Object.entries(getTableColumns(table))
  const blank = Object.fromEntries(columns.map(([name, column]) => [name, column.default ?? null]))
  const places = Object.fromEntries(columns.map(([name]) => [name, sql.placeholder(name)]))
  const insert = orm
    .insert(table)
    .values(places as T['$inferInsert'])
    .prepare()
  return (row) => Number(insert.run({ ...blank, ...row }).lastInsertRowid)
}
