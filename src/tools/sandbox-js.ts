import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Job, type Limits, runJob } from './sandbox-process.ts'
import type { ToolOutput } from './tool.ts'

/*
 * JavaScript and TypeScript tools: QuickJS in WebAssembly, in a Node process of its own for each call. Three walls: the
 * language engine has no file, network, module or timer to offer; its memory cannot grow past its maximum; the process around
 * it may read its own program and nothing else, and is killed at its limits.
 */

/** Beside this file in src/, and beside the bundle in dist/ (rolldown.config.ts makes it an entry). */
const program = fileURLToPath(new URL('./sandbox-child.js', import.meta.url))

/** What Node and the engine's own code need, before the tool has anything. */
const OWN_BYTES = 112 * 1024 * 1024

/** @throws {ToolError} for what went wrong in there; the signal's reason */
export function runJavaScript(
  job: Job,
  typescript: boolean,
  cwd: string,
  limits: Limits,
  signal: AbortSignal,
): Promise<ToolOutput> {
  const input = JSON.stringify({
    ...job,
    args: JSON.stringify(job.args),
    typescript,
    ms: limits.ms * 0.9,
    vmBytes: limits.memoryBytes - OWN_BYTES,
    outputChars: limits.outputChars / 2,
  })
  return runJob({ command: process.execPath, args: [...flags, program], input, cwd, env: {} }, limits, signal)
}

const readable = () => {
  const here = fileURLToPath(new URL('.', import.meta.url))
  // The bundle has everything beside it; the source needs its packages, which may be a link.
  if (import.meta.url.endsWith('.js')) return [here]
  const packages = fileURLToPath(new URL('../../node_modules', import.meta.url))
  return [here, fileURLToPath(new URL('../../package.json', import.meta.url)), packages, realpathSync(packages)]
}

const flags = [
  '--permission',
  ...readable().map((path) => `--allow-fs-read=${path}`),
  '--max-old-space-size=64',
  // The engine counts its own stack and throws; this one must be the longer of the two.
  '--stack-size=3900',
  '--no-warnings',
]
