import Database from 'better-sqlite3'
import { chmodSync, existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { pathOf } from './examine.ts'

/**
 * Copies the database to `target` as it is at this moment; a server may be at work on it. The copy is checked before it gets its
 * name.
 *
 * @returns its size in bytes
 * @throws {Error} in one line; then there is no file of that name that was not there before
 */
export function backUp(url: string, target: string): number {
  const path = pathOf(url)
  if (!existsSync(path)) throw new Error(`There is no database ${path}`)
  refuseExisting(target)
  const part = `${target}.part`
  rmSync(part, { force: true })
  try {
    const db = new Database(path, { readonly: true, timeout: 10_000 })
    try {
      db.prepare('VACUUM INTO ?').run(part)
    } finally {
      db.close()
    }
    // It holds what the file holds, so the same people may read it.
    chmodSync(part, statSync(path).mode)
    verify(part)
    refuseExisting(target)
    renameSync(part, target)
    return statSync(target).size
  } catch (cause) {
    rmSync(part, { force: true })
    throw new Error(`No backup was made: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function refuseExisting(target: string) {
  if (existsSync(target)) throw new Error(`${target} is there already: it is not overwritten`)
}

function verify(file: string) {
  const copy = new Database(file, { readonly: true })
  try {
    const result = copy.pragma('integrity_check(1)', { simple: true })
    if (result !== 'ok') throw new Error(`the copy is damaged: ${String(result)}`)
  } finally {
    copy.close()
  }
}
