import { isNull, not, or, eq, sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'

/** `text` somewhere in the column, upper or lower case. */
export const contains = (column: SQLiteColumn, text: string): SQL =>
  sql`${column} like ${`%${text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`} escape '\\'`

/** Shown unless somebody hid it. */
export const shown = (hidden: SQLiteColumn): SQL => or(isNull(hidden), not(eq(hidden, true)))!

/** A filter that we accept and that nothing of ours can match, e.g. by identity. */
export const unmatched = (...filters: unknown[]): SQL | undefined =>
  filters.some((filter) => filter !== undefined) ? sql`false` : undefined
