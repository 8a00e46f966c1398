import type Database from 'better-sqlite3'

/** As many texts as a busy house has; lists of values make texts of their own. */
const KEPT = 500

/**
 * The same database for those who build their queries at each call: a text that was compiled lately is not compiled again, which
 * takes longer than most of what it does.
 */
export function rememberingStatements(raw: Database.Database): Database.Database {
  const known = new Map<string, Database.Statement>()
  const prepare = (text: string) => {
    const statement = known.get(text) ?? raw.prepare(text)
    // The newest stands last.
    known.delete(text)
    known.set(text, statement)
    if (known.size > KEPT) known.delete(known.keys().next().value!)
    return statement
  }
  return Object.create(raw, { prepare: { value: prepare } }) as Database.Database
}
