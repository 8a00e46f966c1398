import type { Dialect, Script } from '../conversation.ts'
import type { Lab, Target } from '../lab.ts'
import { measured, send, steadyCost } from '../measure.ts'
import type { Figures } from '../result.ts'
import type { Options } from './workload.ts'

export interface StreamsOptions {
  streams: number
  tokens: number
  script: Script
  dialect?: Dialect
  /** Streams begin evenly in this time. */
  overMs: number
  /** How often each is asked. */
  times?: number
}

/** All CPU time over all tokens, and while as many streams were open as there are. */
export const WHOLE = 'CPU µs/token'
export const STEADY = 'CPU µs/token, all open'

/** Sends to as many groups as there are streams, and reads all of them to the end. @throws when one is not whole */
export async function streamsOnce(lab: Lab, target: Target, options: StreamsOptions): Promise<Figures> {
  const { streams, tokens, script, dialect, overMs, times = 1 } = options
  const wanted = await target.requests(streams, script, dialect)
  const { value, cpuUs, figures } = await measured(lab, target, () =>
    send(lab.load, target, { url: target.url, wanted, tokens, overMs, times }),
  )
  const { report, moments } = value
  if (report.faults.length > 0) throw new Error(`${target.name}: ${report.faults.length} faults, first: ${report.faults[0]}`)
  return {
    [WHOLE]: cpuUs / report.tokens,
    [STEADY]: steadyCost(moments, streams),
    'tokens/s': (report.tokens / report.elapsedMs) * 1000,
    'latency p50 ms': report.latency.p50,
    'latency p95 ms': report.latency.p95,
    'latency p99 ms': report.latency.p99,
    'first frame p50 ms': report.firstFrame.p50,
    'first frame p99 ms': report.firstFrame.p99,
    'first token p50 ms': report.firstToken.p50,
    'first token p99 ms': report.firstToken.p99,
    ...figures,
  }
}

/** The server and what it is compared with: another build of it, too, if one was given. */
export async function contestants(lab: Lab, paths: ('/proxy' | '/parse')[], { other }: Options): Promise<Target[]> {
  const names = { '/proxy': 'proxy', '/parse': 'parse-only' }
  const targets: Target[] = []
  for (const path of paths) targets.push(await lab.baseline(names[path], path))
  if (other) targets.push(await lab.server({ name: 'other', entry: other }))
  targets.push(await lab.server())
  return targets
}

export async function stopAll(targets: Target[]): Promise<void> {
  for (const target of targets) await target.stop()
}
