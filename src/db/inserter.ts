import { getTableColumns, getTableName } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Db } from './db.ts'

/**
 * An insert of one whole row, compiled once: to build it anew takes longer than the insert. What a row leaves out is the column's
 * default, or null.
 *
 * @returns how to insert a row, which returns its `seq`
 */
export function inserter<T extends SQLiteTable>({ raw }: Pick<Db, 'raw'>, table: T): (row: T['$inferInsert']) => number {
  const columns = Object.entries(getTableColumns(table))
  const names = columns.map(([, column]) => `"${column.name}"`).join(', ')
  const places = columns.map(() => '?').join(', ')
  const insert = raw.prepare(`INSERT INTO ${getTableName(table)} (${names}) VALUES (${places})`)
  return (row: Record<string, unknown>) => {
    const values = columns.map(([field, column]) => {
      const value = row[field] === undefined ? (column.default ?? null) : row[field]
      return value === null ? null : column.mapToDriverValue(value)
    })
    return Number(insert.run(values).lastInsertRowid)
  }
}
