import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { speakerOf } from '../http/cast.ts'
import { buildEntry, launch, type Launched, type ServerProcess, startProcess } from '../support/process.ts'
import { type ScriptedProvider, scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'

/** A database, a model that outlives the server, and the lives that the server has. */
export interface Stage {
  /** Says `<name> speaks.` for whoever is told `I am <name>.` */
  llm: ScriptedProvider
  folder: string
  /** The server as it is. */
  start(settings?: Record<string, string>): Promise<ServerProcess>
  /** One that dies where it is told (dying-server.ts), once it listens. */
  startDying(crashAt: string, settings?: Record<string, string>): Promise<ServerProcess>
  /** One that may die before that. */
  launchDying(crashAt: string): Launched
  /** For whom the model was asked, in order. */
  asked(): string[]
}

/** Builds the server that dies, once for all tests of a file. @returns what sets up a test */
export function stages(): (settings?: Record<string, string>) => Promise<Stage> {
  const built = mkdtempSync(join(tmpdir(), 'roundtable-'))
  let dying: string
  beforeAll(async () => {
    dying = await buildEntry(built, 'test/crash/dying-server.ts')
  })
  afterAll(() => rmSync(built, { recursive: true, force: true }))
  return async (more = {}) => {
    const llm = await scriptedProvider()
    onTestFinished(() => llm.close())
    llm.script((body) => ({ text: `${speakerOf(body)} speaks.` }))
    const folder = tempFolder()
    const settings = {
      DATABASE_URL: `file:${join(folder, 'test.db')}`,
      OPENAI_BASE_URL: llm.url,
      OPENAI_API_KEY: 'sk-test-canary',
      ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
      ...more,
    }
    return {
      llm,
      folder,
      start: (extra) => startProcess({ ...settings, ...extra }),
      startDying: (crashAt, extra) => startProcess({ ...settings, ...extra, CRASH_AT: crashAt }, { entry: dying }),
      launchDying: (crashAt) => launch({ ...settings, CRASH_AT: crashAt }, { entry: dying }),
      asked: () => llm.requests.map(({ body }) => speakerOf(body)),
    }
  }
}

interface TroupeOptions {
  manager?: string | undefined
  /** What all members have. */
  create?: Record<string, unknown>
  [setting: string]: unknown
}

/** A group of new agents that are told who they are. @returns its id */
export async function troupe(
  { api }: ServerProcess,
  type: string,
  names: string[],
  { manager, create, ...settings }: TroupeOptions = {},
): Promise<string> {
  const actor = async (name: string) => (await api.agent({ name, system: `I am ${name}.`, ...create })).id
  const agent_ids = await Promise.all(names.map(actor))
  const chief = manager === undefined ? {} : { manager_agent_id: await actor(manager) }
  const manager_config = { manager_type: type, ...chief, ...settings }
  return (await api.post<{ id: string }>('/v1/groups/', { agent_ids, description: 'a test', manager_config })).id
}

/** Waits until it has killed itself. */
export async function died({ exited }: Launched): Promise<void> {
  expect(await exited).toMatchObject({ signal: 'SIGKILL', stderr: '' })
}
