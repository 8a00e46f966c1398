import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { markingModel } from './model.ts'
import { Dice } from './random.ts'
import { toolServer } from './tool-server.ts'

/** From the start of one server process to its end. */
interface Life {
  child: ChildProcess
  /** Its address; undefined when it ended before it listened. */
  url: Promise<string | undefined>
  ended: Promise<void>
}

export interface WorldOptions {
  /** The bundle. */
  entry: string
  seed: number
}

/** What outlives the server: its file, the model, the tools, the clients' watch. And the server, through all its lives. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'roundtable-torture-'))
  readonly file = join(this.folder, 'torture.db')
  readonly dice: Dice
  readonly model
  /** What went wrong, in words. */
  readonly violations: string[] = []
  readonly counts = { kills: 0, frames: 0, asked: 0, effects: 0, resumes: 0, repeats: 0 }
  readonly #entry: string
  readonly #watchers = new Set<() => void>()
  #provider!: Awaited<ReturnType<typeof scriptedProvider>>
  #tools!: Awaited<ReturnType<typeof toolServer>>
  #life: Life | undefined

  private constructor({ entry, seed }: WorldOptions) {
    this.#entry = entry
    this.dice = new Dice(seed)
    this.model = markingModel(new Dice(seed + 1), () => this.happened('asked'))
  }

  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options)
    world.#provider = await scriptedProvider()
    world.#tools = await toolServer(() => world.happened('effects'))
    world.#provider.script((body) => {
      world.#provider.requests.length = 0 // they are remembered by the model
      return world.model.answer(body)
    })
    return world
  }

  get effects() {
    return this.#tools.effects
  }

  /** Counts, and tells who waits for it. */
  happened(what: keyof World['counts']): void {
    this.counts[what]++
    for (const look of this.#watchers) look()
  }

  /** Resolves when `what` has happened so often more, or after a while in which it did not. */
  async until(what: keyof World['counts'], more: number, patienceMs: number): Promise<void> {
    const wanted = this.counts[what] + more
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => this.counts[what] >= wanted && resolve()
    this.#watchers.add(look)
    const late = setTimeout(resolve, patienceMs)
    await promise
    clearTimeout(late)
    this.#watchers.delete(look)
  }

  violated(what: string): void {
    this.violations.push(what)
  }

  /** Begins the next life. */
  start(): Life {
    const child = spawn(process.execPath, [this.#entry], {
      cwd: this.folder,
      env: {
        PORT: '0',
        DATABASE_URL: `file:${this.file}`,
        OPENAI_BASE_URL: this.#provider.url,
        OPENAI_API_KEY: 'sk-torture',
        ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
        ROUNDTABLE_DEMO: 'false',
        ROUNDTABLE_LOG_LEVEL: 'warn',
        ROUNDTABLE_MCP_SERVERS: JSON.stringify({ bookings: { url: this.#tools.url } }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.violated(`the server said on stderr: ${text.trim()}`))
    const ended = (async () => void (await once(child, 'close')))()
    const { promise: url, resolve } = Promise.withResolvers<string | undefined>()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      for (const line of text.split('\n')) if (line.includes('"level":"error"')) this.violated(`the server logged ${line}`)
      const found = /^Roundtable listens at (http:\S+)$/m.exec(stdout)?.[1]
      if (found) resolve(found)
    })
    void ended.then(() => resolve(undefined))
    return (this.#life = { child, url, ended })
  }

  async kill(): Promise<void> {
    this.#life!.child.kill('SIGKILL')
    await this.#life!.ended
    this.counts.kills++
  }

  /** Ends it in order. @returns the exit code */
  async stop(): Promise<number | null> {
    const { child, ended } = this.#life!
    child.kill('SIGTERM')
    await ended
    return child.exitCode
  }

  /** What `work` gives, tried again in the next life when the connection is lost, or when it gives nothing. */
  async persist<T>(work: (url: string) => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const life = this.#life!
      const url = await life.url
      if (url !== undefined) {
        try {
          const result = await work(url)
          if (result !== undefined) return result
        } catch (error) {
          if (!isLost(error)) throw error
        }
      }
      // The kill is seen by the client first.
      await Promise.race([life.ended, sleep(50)])
      if (life === this.#life) await sleep(5)
    }
  }

  async close(): Promise<void> {
    this.#life?.child.kill('SIGKILL')
    await this.#life?.ended
    this.#tools.close()
    await this.#provider.close()
    if (this.violations.length === 0) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** What fetch throws when the other side is not there any more: `fetch failed`, `terminated`. */
const isLost = (error: unknown) =>
  error instanceof TypeError || (error instanceof Error && 'code' in error && /^(ECONN|UND_ERR)/.test(String(error.code)))
