import { chmodSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { root, rolldown } from './rolldown.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder with the published form of the server, as it is now. */
    published: string
  }
}

/** Builds the server once for all tests: what is published starts five times faster than the source. */
export default async function publish({ provide }: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'roundtable-published-'))
  await rolldown('--config', 'rolldown.config.ts', '--dir', join(folder, 'dist'))
  cpSync(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true })
  symlinkSync(join(root, 'dist/web'), join(folder, 'dist/web'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules')) // where it finds its one dependency
  chmodSync(folder, 0o755) // some tests start it as somebody else
  provide('published', folder)
  return () => rmSync(folder, { recursive: true })
}
