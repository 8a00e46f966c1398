import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, symlinkSync } from 'node:fs'
import { join, parse } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Api, apiAt } from './api.ts'
import { tempFolder } from './server.ts'

const root = new URL('../../', import.meta.url).pathname

/** The door as it is in a clone. */
export const sourceEntry = join(root, 'src/roundtable.js')

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface LaunchOptions {
  /** The Node that runs it; this one by default. */
  node?: string
  /** What it runs; the source by default. */
  entry?: string
  /** A command that becomes the server after it has set something, e.g. `['setpriv', '--reuid=65534']`. */
  under?: string[]
}

/** The server as a process of its own, from its first moment. */
export interface Launched {
  child: ChildProcess
  readonly stdout: string
  readonly stderr: string
  /** Its address. @throws with all it said when it exits first */
  listening: Promise<string>
  exited: Promise<Exit>
  kill(signal: NodeJS.Signals): Promise<Exit>
  /** Resolves when it has said something of this kind on its standard output. */
  said(what: RegExp): Promise<void>
}

export interface ServerProcess extends Launched {
  url: string
  api: Api
}

/**
 * Starts the server with these settings and no others, in an empty folder, on a port of the system's choice. Killed after the
 * test. To start it again on the same data give the same DATABASE_URL.
 */
export function launch(
  settings: Record<string, string>,
  { node = process.execPath, entry = sourceEntry, under = [] }: LaunchOptions = {},
): Launched {
  const [command, ...args] = [...under, node, entry]
  const child = spawn(command, args, {
    cwd: tempFolder(),
    env: { PORT: '0', ROUNDTABLE_DEMO: 'false', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    // `close` and not `exit`: then all that it said has been read.
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  const said = async (what: RegExp) => {
    while (!what.test(stdout)) await once(child.stdout, 'data')
  }
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      const url = /^Roundtable listens at (http:\S+)$/m.exec(stdout)?.[1]
      if (url) resolve(url)
    })
    exited.then((exit) => reject(new Error(`the server did not start: ${JSON.stringify(exit)}`)), reject)
  })
  listening.catch(() => {}) // who waits for the exit only is not told twice
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return exited
  }
  onTestFinished(async () => void (await kill('SIGKILL')))
  return {
    child,
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    listening,
    exited,
    kill,
    said,
  }
}

/** The same, once it listens. */
export async function startProcess(settings: Record<string, string>, options?: LaunchOptions): Promise<ServerProcess> {
  const launched = launch(settings, options)
  const url = await launched.listening
  return Object.assign(launched, { url, api: apiAt(url) })
}

/**
 * The published form: it starts five times faster than the source, and its migrations folder is its own.
 *
 * @param folder where it is built; by default one that is gone after the test
 */
export async function buildServer(folder = tempFolder()): Promise<{ entry: string; migrations: string }> {
  await rolldown('--config', 'rolldown.config.ts', '--dir', join(folder, 'dist'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules')) // where it finds its one dependency
  cpSync(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true })
  return { entry: join(folder, 'dist/roundtable.js'), migrations: join(folder, 'migrations/sqlite') }
}

/** Builds another entry, by its path in the house, beside the published form in `folder`. @returns where it is */
export async function buildEntry(folder: string, path: string): Promise<string> {
  await rolldown(path, '--dir', join(folder, 'dist'), '--platform', 'node', '--external', 'better-sqlite3')
  return join(folder, 'dist', `${parse(path).name}.js`)
}

async function rolldown(...options: string[]): Promise<void> {
  const cli = join(root, 'node_modules/rolldown/bin/cli.mjs')
  const build = spawn(process.execPath, [cli, ...options], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(build, 'close')) as [number]
  if (code !== 0) throw new Error(`rolldown exited with ${code}`)
}
