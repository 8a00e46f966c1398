import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, symlinkSync } from 'node:fs'
import { join, parse } from 'node:path'
import { inject, onTestFinished } from 'vitest'
import { flagsOf } from '../../bench/flags.ts'
import { type Api, apiAt } from './api.ts'
import { root, rolldown } from './rolldown.ts'
import { tempFolder } from './server.ts'

/** The door as it is in a clone. */
export const sourceEntry = join(root, 'src/roundtable.js')

/** As it is published. */
export const publishedEntry = join(inject('published'), 'dist/roundtable.js')

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface LaunchOptions {
  /** The Node that runs it; this one by default. */
  node?: string
  /** What it runs; what is published by default. */
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
  { node = process.execPath, entry = publishedEntry, under = [] }: LaunchOptions = {},
): Launched {
  const [command, ...args] = [...under, node, ...flagsOf(entry), entry]
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

/** A copy of the published form, for a test that changes its migrations. */
export function copyOfServer(): { entry: string; migrations: string } {
  const folder = tempFolder()
  cpSync(inject('published'), folder, { recursive: true, verbatimSymlinks: true })
  return { entry: join(folder, 'dist/roundtable.js'), migrations: join(folder, 'migrations/sqlite') }
}

/** Bundles another entry, by its path in the house, in `folder`. @returns where it is */
export async function buildEntry(folder: string, path: string): Promise<string> {
  await rolldown(path, '--dir', join(folder, 'dist'), '--platform', 'node', '--external', 'better-sqlite3')
  for (const beside of ['node_modules', 'migrations']) symlinkSync(join(root, beside), join(folder, beside))
  return join(folder, 'dist', `${parse(path).name}.js`)
}
