import { serve } from '@hono/node-server'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp } from './app.ts'
import { listening } from './auth/connections.ts'
import { Tickets } from './auth/tickets.ts'
import type { Config } from './config.ts'
import { openSqlite, openWhenFree } from './db/sqlite.ts'
import { DEFAULT_TENANT, type Keys, type Store } from './db/store.ts'
import { seedDemo } from './demo.ts'
import { createProviders } from './llm/index.ts'
import { createEmbedding } from './llm/embed.ts'
import { guardedFetch } from './net/guarded-fetch.ts'
import { sendBetween } from './loop/between.ts'
import { imageResolver } from './loop/images.ts'
import { Requests } from './loop/requests.ts'
import { Runs } from './loop/run.ts'
import { hideInLogs } from './logger.ts'
import { everybody } from './loop/watcher.ts'
import { createMetrics } from './observe/metrics.ts'
import { logRunEnd } from './observe/run-line.ts'
import { RunLog } from './stream/log.ts'
import { keepFrames } from './stream/retention.ts'
import { PAGE_CHARS } from './stream/pages.ts'
import { agentTools } from './tools/agents.ts'
import { createTools } from './tools/index.ts'

export interface RunningServer {
  url: string
  /** The demo group's id, if it is there. */
  demoGroup: string | undefined
  /** Resolves when storage has failed, with what to tell the operator: readers are gone, and the process has to end. */
  failed: Promise<Error>
  /** Takes nothing new, lets runs and readers come to their end for a while, and frees everything. */
  close(): Promise<void>
}

/** How long readers may take to come to the end once all runs have ended. */
const READERS_MS = 1000

/**
 * A connection that is silent for so long is asked by the kernel whether its peer is there, ten times at most, once a second:
 * over before the next keepalive is due. Behind one that nobody acknowledges the kernel would not ask (faults.md F54).
 */
const PEER_IDLE_MS = 5000

/** What answers have to leave the process when storage has failed; and what the end of a run has when the disk is full. */
const GRACE_MS = 250

/**
 * Store → what an earlier process left open is ended → app → listening.
 *
 * @param folders the generated migrations, and the built page
 * @param open how the store is opened
 */
export async function startServer(
  config: Config,
  folders: { migrations: string; page: string },
  open: (url: string, migrations: string) => Store | Promise<Store> = config.standby ? openWhenFree : openSqlite,
): Promise<RunningServer> {
  hideInLogs(config.secrets)
  const store = await open(config.databaseUrl, folders.migrations)
  await refuseOpenDoor(config, store).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  const providers = createProviders(config.providers, config)
  const metrics = createMetrics()
  const log = new RunLog(store, { onCommit: metrics.committed })
  await store.ensureTenant(DEFAULT_TENANT)
  const more = agentTools(
    sendBetween(
      () => requests,
      () => runs,
      store,
    ),
  )
  const embed =
    config.embeddingModel === undefined ? undefined : createEmbedding(config.embeddingModel, config.providers, config)
  const tools = await createTools({ config, store, tenant: DEFAULT_TENANT, more, embed })
  const fetcher = guardedFetch(config.fetch)
  const resolveImages = imageResolver({ fetcher, limitBytes: config.fetch.limitBytes })
  // Read only when it is asked for: it is as large as the rest of the server.
  const tracing = config.tracing && (await import('./observe/traces.ts')).startTracing(config.tracing)
  const watcher = everybody([metrics.watcher, { runEnded: logRunEnd }, ...(tracing ? [tracing.watcher] : [])])
  const watched = tracing ? tracing.watched(tools) : tools
  const runs: Runs = new Runs({ ...config, store, log, providers, tools: watched, watcher })
  const requests: Requests = new Requests({ ...config, store, log, providers, resolveImages, runs })
  await runs.recover()
  const demoGroup = config.demo ? await seedDemo(DEFAULT_TENANT, store, providers) : undefined
  const closing = new AbortController()
  const tickets = new Tickets(await store.secretOf('tickets'), config.ticketMs)
  const parts = { config, store, log, providers, runs, requests, tools, metrics, tickets }
  const app = createApp({ ...parts, page: folders.page, closing: closing.signal })
  const { createServer, serverOptions: limits } = listening(config)
  const serverOptions = { ...limits, keepAlive: true, keepAliveInitialDelay: PEER_IDLE_MS, highWaterMark: PAGE_CHARS }
  const { host: hostname, port: wanted } = config
  const server = serve({ fetch: app.fetch, hostname, port: wanted, createServer, serverOptions }) as Server
  await once(server, 'listening')
  const { address, port } = server.address() as AddressInfo
  const stopPruning = keepFrames(store, config.framesRetentionMs)
  const failed = once(store.failed, 'abort').then(async () => {
    closing.abort()
    server.close()
    await sleep(GRACE_MS)
    server.closeAllConnections()
    return store.failed.reason as Error
  })
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    demoGroup,
    failed,
    async close() {
      const closed = once(server, 'close')
      server.close()
      // On a full disk no run comes to its end: it goes on after the next start.
      const giveUp = setTimeout(() => log.giveUp(), config.shutdownMs + GRACE_MS)
      await runs.drain()
      clearTimeout(giveUp)
      // Every run has its end now, and readers come to it by themselves; those that do not are told to come back, then cut.
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const tell = setTimeout(() => closing.abort(), READERS_MS)
      const cut = setTimeout(() => server.closeAllConnections(), 2 * READERS_MS)
      await closed
      clearInterval(sweep)
      clearTimeout(tell)
      clearTimeout(cut)
      stopPruning()
      await tracing?.close()
      await tools.close()
      await fetcher.close()
      await embed?.close()
      await providers.close()
      await store.close()
    },
  }
}

/** @throws {Error} with one line when others could come in without a key, or nobody could come in at all (faults.md F88) */
async function refuseOpenDoor({ host, loopback, secure, password }: Config, store: Keys): Promise<void> {
  if ((loopback && !secure) || password !== undefined || (await store.anyKey())) return
  const what = loopback ? 'LETTA_SERVER_SECURE=true lets nobody in' : `HOST=${host} is open to others`
  throw new Error(`${what}: first make a key, or set LETTA_SERVER_SECURE=true and LETTA_SERVER_PASSWORD`)
}
