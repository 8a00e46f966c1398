import { getTableColumns, getTableName } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Db } from './db.ts'

/**
 * Whole rows of one table, by a statement that is compiled once: for what every run asks for. Drizzle takes several times as long
 * to make a row as SQLite does to find it.
 *
 * Two things make SQLite compile a statement anew each time that it is run, which takes longer than to run it. One is a parameter
 * that a partial index may depend on: such a value is written out. The other is `column = ?` in a query with an ORDER BY, but not
 * `column = +?`, which is the same to it in every other way.
 *
 * @param rest what stands behind `SELECT … FROM <table>`, with `?` for what is given
 */
export function reader<T extends SQLiteTable>({ raw }: Pick<Db, 'raw'>, table: T, rest: string) {
  const name = getTableName(table)
  const columns = Object.entries(getTableColumns(table))
  const coded = columns.filter(([, { dataType }]) => dataType === 'json' || dataType === 'boolean')
  const list = columns.map(([field, column]) => `${name}."${column.name}" AS "${field}"`).join(', ')
  const select = raw.prepare<(string | number)[], Record<string, unknown>>(`SELECT ${list} FROM ${name} ${rest}`)
  const decoded = (row: Record<string, unknown>) => {
    for (const [field, column] of coded) if (row[field] !== null) row[field] = column.mapFromDriverValue(row[field])
    return row as T['$inferSelect']
  }
  return {
    get(...given: (string | number)[]): T['$inferSelect'] | undefined {
      const row = select.get(...given)
      return row && decoded(row)
    },
    all: (...given: (string | number)[]): T['$inferSelect'][] => select.all(...given).map(decoded),
  }
}
