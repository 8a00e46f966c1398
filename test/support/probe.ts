import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { Launched } from './process.ts'

/** What a server holds. Bytes are those that are in use after a garbage collection; `rss` is what the process has. */
export interface Held {
  heapUsed: number
  arrayBuffers: number
  rss: number
  timers: number
  files: number
}

/** Lets a process be asked what it holds. */
export const probed = { NODE_OPTIONS: `--expose-gc --import ${new URL('probe.js', import.meta.url).href}` }

/** What a process that was started with `probed` holds now. */
export async function probe({ child }: Pick<Launched, 'child'>): Promise<Held> {
  let said = ''
  child.kill('SIGUSR2')
  for (;;) {
    const [text] = (await once(child.stderr!, 'data')) as [string]
    said += text
    const found = /^probe (\{.*\})$/m.exec(said)?.[1]
    if (found) return { ...(JSON.parse(found) as Omit<Held, 'files'>), files: filesOf({ child }) }
  }
}

export const filesOf = ({ child }: Pick<Launched, 'child'>): number => readdirSync(`/proc/${child.pid}/fd`).length
