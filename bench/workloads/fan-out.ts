import { begin } from '../conversation.ts'
import type { Lab, Target } from '../lab.ts'
import { measured, send } from '../measure.ts'
import { type Figures, emptyResult, interleaved, pair, valuesOf } from '../result.ts'
import { stopAll } from './streams.ts'
import type { Options, Workload } from './workload.ts'

export const fanOut: Workload = {
  name: 'fan-out',
  about: 'one run at 50 tokens/s, read by many',
  async run(lab, options) {
    const { streams: readers = 1000, rounds = 5, tokens = 250 } = options
    const result = emptyResult(`fan-out: one run of ${tokens} tokens at 50 tokens/s to ${readers} readers`)
    const targets = await audience(lab, options)
    await interleaved(result, targets, rounds, async (target) => {
      const [request] = await target.requests(1, `paced-${tokens}-20`)
      const wanted = { method: 'GET', path: streamPath(await begin(target.url, request!)) } as const
      const order = {
        url: target.url,
        wanted: Array.from({ length: readers }, () => wanted),
        tokens,
        overMs: 1000,
        settled: true,
      }
      const { value, cpuUs, figures } = await measured(lab, target, () => send(lab.load, target, order))
      const { latency, faults, tokens: delivered } = value.report
      if (faults.length > 0) throw new Error(`${target.name}: ${faults.length} faults, first: ${faults[0]}`)
      return {
        'CPU µs/token and reader': cpuUs / delivered,
        'latency p50 ms': latency.p50,
        'latency p95 ms': latency.p95,
        'latency p99 ms': latency.p99,
        ...figures,
      } satisfies Figures
    })
    await stopAll(targets)
    pair(result, 'CPU µs/token and reader', 'roundtable', 'memory')
    if (options.other) pair(result, 'CPU µs/token and reader', 'roundtable', 'other')
    const values = valuesOf(result, 'roundtable', 'latency p99 ms')
    result.goals.push({ name: 'latency p99, ms', values, must: 100, aim: 25 })
    return result
  },
}

/** Where a run is read; the bare server has one only, and no id for it. */
export const streamPath = (runId: string | null) => (runId === null ? '/kept' : `/v1/runs/${runId}/stream`)

/** The server, and a bare one that keeps its run in memory. */
export async function audience(lab: Lab, { other }: Options): Promise<Target[]> {
  const targets = [await lab.baseline('memory', '/keep')]
  if (other) targets.push(await lab.server({ name: 'other', entry: other }))
  targets.push(await lab.server())
  return targets
}
