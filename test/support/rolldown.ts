import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export const root = new URL('../../', import.meta.url).pathname

/** Bundles, as the command of that name does. */
export async function rolldown(...options: string[]): Promise<void> {
  const cli = join(root, 'node_modules/rolldown/bin/cli.mjs')
  const build = spawn(process.execPath, [cli, ...options], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(build, 'close')) as [number]
  if (code !== 0) throw new Error(`rolldown exited with ${code}`)
}
