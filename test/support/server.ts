import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { startServer as start } from '../../src/server.ts'
import { type Api, apiAt } from './api.ts'
import { type ScriptedProvider, scriptedProvider } from './scripted-provider.ts'

const at = (path: string) => new URL(path, import.meta.url).pathname
const folders = { migrations: at('../../migrations/sqlite'), page: at('../../dist/web') }

/** A folder that is gone after the test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'roundtable-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface TestServer {
  url: string
  api: Api
  /** Speaks as `openai/…`. */
  llm: ScriptedProvider
  close(): Promise<void>
}

/** The whole server in this process, on a port of the system's choice, with a scripted model. Closed after the test. */
export async function startServer(settings: Record<string, string> = {}): Promise<TestServer> {
  const llm = await scriptedProvider()
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ROUNDTABLE_DEMO: 'false',
    ROUNDTABLE_DEMO_TOKEN_MS: '0',
    ROUNDTABLE_SHUTDOWN_SECONDS: '0.2',
    ...settings,
  })
  const server = await start(config, folders)
  let closed: Promise<void> | undefined
  const close = () => (closed ??= server.close())
  onTestFinished(async () => {
    await close()
    await llm.close()
  })
  return { url: server.url, api: apiAt(server.url), llm, close }
}
