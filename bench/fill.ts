import Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'

/**
 * Makes `runs` more runs out of the one in the file, with its frames, steps and messages, so that a database is as large as
 * years of use would make it. The server must not have it open.
 */
export function fill(file: string, runs: number): void {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  const copyRun = copier(db, 'runs', 'id = ?', { id: '?' })
  const copySegments = copier(db, 'segments', 'run = ?', { run: '?' })
  const copySteps = copier(db, 'steps', 'run_id = ?', { id: "id || '-' || ?", run_id: '?' })
  const copyMessages = copier(db, 'messages', 'run_id = ?', { id: "id || '-' || ?", run_id: '?' })
  const [source] = db.prepare('SELECT seq, id FROM runs LIMIT 1').all() as { seq: number; id: string }[]
  db.transaction(() => {
    for (let made = 0; made < runs; made++) {
      const id = `run-${randomUUID()}`
      const { lastInsertRowid: seq } = copyRun.run(id, source!.id)
      copySegments.run(seq, source!.seq)
      copySteps.run(id, id, source!.id)
      copyMessages.run(id, id, source!.id)
    }
  })()
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Copies the rows of a table that `where` finds, with some columns changed; `seq` is given by the database. */
function copier(db: Database.Database, table: string, where: string, changed: Record<string, string>) {
  const columns = (db.pragma(`table_info(${table})`) as { name: string }[])
    .map(({ name }) => name)
    .filter((name) => name !== 'seq')
  const values = columns.map((name) => changed[name] ?? name)
  return db.prepare(`INSERT INTO ${table} (${columns.join()}) SELECT ${values.join()} FROM ${table} WHERE ${where}`)
}
