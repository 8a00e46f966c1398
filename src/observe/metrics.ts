import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Store } from '../db/store.ts'
import type { RunWatcher } from '../loop/watcher.ts'
import type { CommitWatcher } from '../stream/log.ts'
import { openReaders } from '../stream/sse.ts'

/** What is only looked at when somebody asks. */
export interface Gauged {
  store: Pick<Store, 'sizes'>
  runs: { readonly load: { live: number; waiting: number } }
}

export interface Metrics {
  watcher: RunWatcher
  committed: CommitWatcher
  /** In Prometheus' text format. */
  text(of: Gauged): Promise<string>
  contentType: string
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]
const LONG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const FRAMES = [1, 2, 5, 10, 25, 50, 100, 250, 1000]

/** What the server counts of itself: per run, per step and per group commit, never per token. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `roundtable_${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `roundtable_${name}`, help, buckets, registers })
  const gauge = (name: string, help: string) => new Gauge({ name: `roundtable_${name}`, help, registers })

  const runs = counter('runs_total', 'Runs that ended', ['manager', 'status', 'stop_reason'])
  const firstFrame = histogram('run_first_frame_seconds', 'From the start of a run to its first message', LONG_SECONDS)
  const duration = histogram('run_seconds', 'How long runs took', LONG_SECONDS)
  const steps = counter('steps_total', 'Model calls that ended', ['provider', 'status'])
  const failures = counter('provider_failures_total', 'Model calls that failed', ['provider', 'error_type'])
  const tokens = counter('tokens_total', 'Tokens that providers counted', ['provider', 'kind'])
  const frames = counter('frames_total', 'Frames stored by group commits')
  const batch = histogram('commit_frames', 'Frames in one group commit', FRAMES)
  const commit = histogram('commit_seconds', 'How long a group commit took', SECONDS)
  const added = histogram(
    'added_latency_seconds',
    'From a piece of an answer to its commit; the oldest of each commit',
    SECONDS,
  )
  const live = gauge('runs_live', 'Runs that work now')
  const waiting = gauge('runs_waiting', 'Runs that wait for their turn')
  const readers = gauge('readers', 'Open readers of streams')
  const file = gauge('database_bytes', 'Size of the database file')
  const wal = gauge('wal_bytes', 'Size of its write-ahead log')
  const rows = gauge('log_rows', 'Rows at the head of the event log')

  return {
    watcher: {
      stepEnded({ status, recorded: { handle, usage, error } }) {
        const provider = handle.slice(0, handle.indexOf('/'))
        steps.inc({ provider, status })
        if (error) failures.inc({ provider, error_type: error.error_type })
        tokens.inc({ provider, kind: 'prompt' }, usage.promptTokens)
        tokens.inc({ provider, kind: 'completion' }, usage.completionTokens)
      },
      runEnded({ admission: { manager } }, { status, stopReason: stop_reason, firstFrameMs, durationMs }) {
        runs.inc({ manager, status, stop_reason })
        if (firstFrameMs !== null) firstFrame.observe(firstFrameMs / 1000)
        duration.observe(durationMs / 1000)
      },
    },
    committed(count, commitMs, waitedMs) {
      frames.inc(count)
      batch.observe(count)
      commit.observe(commitMs / 1000)
      added.observe(waitedMs / 1000)
    },
    async text({ store, runs: { load } }) {
      live.set(load.live)
      waiting.set(load.waiting)
      readers.set(openReaders())
      const { fileBytes, walBytes, logRows } = await store.sizes()
      file.set(fileBytes)
      wal.set(walBytes)
      rows.set(logRows)
      return (await registry.metrics()) + '\n' + (await processMetrics().metrics())
    },
    contentType: registry.contentType,
  }
}

let ofProcess: Registry | undefined

/** CPU, memory, file descriptors, event-loop delay; watched from the first time that somebody asks. */
function processMetrics(): Registry {
  if (!ofProcess) collectDefaultMetrics({ register: (ofProcess = new Registry()) })
  return ofProcess
}
