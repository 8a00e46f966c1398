import { readConfig } from '../../src/config.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import type { Store } from '../../src/db/store.ts'
import { startServer } from '../../src/server.ts'

/*
 * The server with a store that kills the process at one of its calls: CRASH_AT is `<verb>:<n>:<what>`, for the n-th call of that
 * verb `before` or `after` it, or `throws`, which is an error that nobody has thought of. It is built, and run as the server is.
 */

const [verb, n, what] = process.env['CRASH_AT']!.split(':') as [keyof Store, string, 'before' | 'after' | 'throws']

function crashing(store: Store): Store {
  let left = Number(n)
  const real = store[verb] as (...args: unknown[]) => Promise<unknown>
  const crash = async (...args: unknown[]) => {
    const now = --left === 0
    if (now && what === 'throws') throw new Error('poison')
    if (now && what === 'before') process.kill(process.pid, 'SIGKILL')
    const result = await real(...args)
    if (now && what === 'after') process.kill(process.pid, 'SIGKILL')
    return result
  }
  return { ...store, [verb]: crash }
}

const folder = (path: string) => new URL(path, import.meta.url).pathname
const folders = { migrations: folder('../migrations/sqlite'), page: folder('../dist/web') }
const server = await startServer(readConfig(), folders, (url, migrations) => crashing(openSqlite(url, migrations)))
console.log(`Roundtable listens at ${server.url}`)
