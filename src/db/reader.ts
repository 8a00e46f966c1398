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
 * @param parse how a column's text becomes its value, where not by parsing it anew for each row
 */
export function reader<T extends SQLiteTable>(
  { raw }: Pick<Db, 'raw'>,
  table: T,
  rest: string,
  parse: { [field in keyof T['$inferSelect']]?: (text: string) => unknown } = {},
) {
  const name = getTableName(table)
  const columns = Object.entries(getTableColumns(table))
  const coded = columns
    .filter(([, { dataType }]) => dataType === 'json' || dataType === 'boolean')
    .map(([field, column]) => {
      const given: ((text: string) => unknown) | undefined = parse[field]
      return { field, decode: given ?? ((value: unknown) => column.mapFromDriverValue(value)) }
    })
  const list = columns.map(([field, column]) => `${name}."${column.name}" AS "${field}"`).join(', ')
  const select = raw.prepare<(string | number)[], Record<string, unknown>>(`SELECT ${list} FROM ${name} ${rest}`)
  const decoded = (row: Record<string, unknown>) => {
    for (const { field, decode } of coded) if (row[field] !== null) row[field] = decode(row[field] as string)
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
