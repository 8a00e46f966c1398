import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask } from './channel.ts'
import { type Dialect, type Script, serverRequests } from './conversation.ts'
import { flagsOf } from './flags.ts'
import type { Wanted } from './reading.ts'

/** What is measured has a CPU to itself; the model and the client share the other. */
const CPU = { target: '0', others: '1' }

const here = new URL('./', import.meta.url).pathname
const root = new URL('../', import.meta.url).pathname

/** A server that answers streams: ours, or one that it is compared with. */
export interface Target {
  name: string
  child: ChildProcess
  pid: number
  url: string
  /** The file of its database, and how long it took until it listened; of our server. */
  database?: string
  readyMs?: number
  /** Requests for `count` streams of a script, each to somebody who is free. */
  requests(count: number, script: Script, dialect?: Dialect): Promise<Wanted[]>
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface ServerOptions {
  name?: string
  /** The bundle. */
  entry?: string
  /** An existing database; an empty one by default. */
  database?: string
  /** With probe.ts in it, which `measured` asks; that takes a moment at the start. */
  probed?: boolean
}

/** The processes of a bench, and where they put their files. */
export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), 'roundtable-bench-'))
  readonly model: ChildProcess
  readonly load: ChildProcess
  readonly #profile: string | undefined
  readonly #children = new Set<ChildProcess>()
  #modelUrl = ''
  #servers = 0

  private constructor(profile: string | undefined) {
    this.#profile = profile
    this.model = this.#start(CPU.others, [join(here, 'model.ts')])
    this.load = this.#start(CPU.others, [join(here, 'load.ts')])
  }

  /** @param options.profile where the server leaves its CPU profiles */
  static async open({ profile }: { profile?: string | undefined } = {}): Promise<Lab> {
    const lab = new Lab(profile)
    lab.#modelUrl = await ask<string>(lab.model, 'listen')
    return lab
  }

  /** The process ids of all that is not measured, but ours. */
  get helpers(): number[] {
    return [process.pid, this.model.pid!, this.load.pid!]
  }

  /** A bare server: see baseline.ts for the paths. */
  async baseline(name: string, path: '/proxy' | '/parse' | '/keep'): Promise<Target> {
    const child = this.#start(CPU.target, ['--import', join(here, 'probe.ts'), join(here, 'baseline.ts')])
    const url = await ask<string>(child, 'listen', this.#modelUrl)
    return {
      name,
      child,
      pid: child.pid!,
      url,
      async requests(count, model, dialect = 'openai') {
        const body = { model, dialect, stream: true, messages: [{ role: 'user', content: 'Go on.' }] }
        return Array.from({ length: count }, () => ({ method: 'POST', path, body }))
      },
      stop: (signal) => this.#stop(child, signal),
    }
  }

  /** The server as it is published, as a process of its own; resolves when it listens. */
  async server(options: ServerOptions = {}): Promise<Target> {
    const { name = 'roundtable', entry = join(root, 'dist/roundtable.js'), probed = true } = options
    const file = options.database ?? join(this.folder, `server-${++this.#servers}.db`)
    const probe = probed ? ['--import', join(here, 'probe.ts')] : []
    const profiling = this.#profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', this.#profile]
    const startedAt = performance.now()
    const child = this.#start(CPU.target, [...flagsOf(entry), ...probe, ...profiling, entry], {
      PORT: '0',
      DATABASE_URL: `file:${file}`,
      ROUNDTABLE_DEMO: 'false',
      OPENAI_BASE_URL: this.#modelUrl,
      OPENAI_API_KEY: 'bench',
      ANTHROPIC_BASE_URL: this.#modelUrl,
      ANTHROPIC_API_KEY: 'bench',
    })
    const url = await listening(child)
    return {
      name,
      child,
      pid: child.pid!,
      url,
      database: file,
      readyMs: performance.now() - startedAt,
      requests: (count, script, dialect = 'openai') => serverRequests(url, count, script, dialect),
      stop: (signal) => this.#stop(child, signal),
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.#stop(child, 'SIGKILL')))
    rmSync(this.folder, { recursive: true, force: true })
  }

  #start(cpu: string, args: string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn('taskset', ['-c', cpu, process.execPath, ...args], {
      cwd: this.folder,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      // JSON knows no NaN.
      serialization: 'advanced',
    })
    this.#children.add(child)
    return child
  }

  async #stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#children.delete(child)
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

/** @throws {Error} when it ends before it listens */
async function listening(child: ChildProcess): Promise<string> {
  let said = ''
  return await new Promise((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const url = /listens at (http:\S+?)["\s]/.exec(said)?.[1]
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })
}
