import type Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { migrate } from 'drizzle-orm/better-sqlite3/migrator'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { existsSync, renameSync, rmSync } from 'node:fs'

/**
 * Brings a database to this version's schema, all of it or nothing; before that a copy is put beside the file.
 *
 * @throws {Error} when it was written by a newer version
 */
export function bringUp(path: string, raw: Database.Database, migrationsFolder: string): void {
  const known = readMigrationFiles({ migrationsFolder }).map((migration) => migration.folderMillis)
  const newest = known.at(-1)!
  const applied = appliedMigration(raw)
  if (applied !== undefined && applied > newest) {
    throw new Error(
      `${path} was written by a newer Roundtable (schema ${applied}, this one knows ${newest}): update, or restore a backup`,
    )
  }
  if (applied === newest) return
  if (applied !== undefined) {
    const backup = `${path}.before-${newest}.backup`
    if (!existsSync(backup)) {
      // A copy that was cut off is not taken for one.
      rmSync(`${backup}.part`, { force: true })
      raw.prepare('VACUUM INTO ?').run(`${backup}.part`)
      renameSync(`${backup}.part`, backup)
    }
  }
  migrate(drizzle(raw), { migrationsFolder })
}

function appliedMigration(raw: Database.Database): number | undefined {
  const table = raw.prepare(`SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'`).get()
  if (!table) return undefined
  const row = raw.prepare('SELECT max(created_at) AS at FROM __drizzle_migrations').get() as { at: number | null }
  return row.at ?? undefined
}
