import { serve } from '@hono/node-server'
import { createApp } from '../../src/app.ts'
import { DEFAULT_TENANT } from '../../src/auth.ts'
import { readConfig } from '../../src/config.ts'
import { openSqlite } from '../../src/db/sqlite.ts'
import { createProviders } from '../../src/llm/index.ts'
import { Runs } from '../../src/loop/run.ts'
import { RunLog } from '../../src/stream/log.ts'
import { builtinTools, toolRow } from '../../src/tools/index.ts'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { contract } from '../support/contract.ts'

/** A server with an empty database, and `call`, which holds every 200 against the contract. */
export async function startCrud() {
  const config = readConfig({})
  const store = openSqlite(':memory:', 'migrations/sqlite')
  const providers = createProviders([], { demoTokenMs: 0, requestTimeoutMs: 1000, streamTimeoutMs: 1000 })
  const log = new RunLog(store)
  const runs = new Runs({ store, log, providers, config })
  await store.ensureTenant(DEFAULT_TENANT)
  await store.ensureTools(DEFAULT_TENANT, [...builtinTools.values()].map(toolRow))
  const app = createApp({ config, store, log, providers, runs, closing: new AbortController().signal })
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(async () => {
    await new Promise((resolve) => server.close(resolve))
    await providers.close()
    await store.close()
  })
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`${at}/v1${path}`, {
      method,
      headers: { connection: 'close', ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const answer = { status: response.status, headers: response.headers, body: await response.json() }
    expect(contract()?.validate(method, `/v1${path}`, answer.status, answer.body) ?? []).toEqual([])
    return answer
  }
}

interface Answer {
  status: number
  headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  body: any
}
