import { ask } from '../channel.ts'
import { begin } from '../conversation.ts'
import type { Target } from '../lab.ts'
import { measured, send } from '../measure.ts'
import { emptyResult, interleaved, pair } from '../result.ts'
import { rounds as middle } from '../stats.ts'
import { audience, streamPath } from './fan-out.ts'
import { stopAll } from './streams.ts'
import type { Workload } from './workload.ts'

/** How often a run is read in a round. */
const TIMES = 30

export const catchUp: Workload = {
  name: 'catch-up',
  about: 'a long finished run from its first frame, against reading it from memory',
  async run(lab, options) {
    const { rounds = 5, tokens = 10_000 } = options
    const result = emptyResult(`catch-up: a finished run of ${tokens} tokens, ${TIMES} times a round`)
    const targets = await audience(lab, options)
    const paths = new Map<Target, string>()
    for (const target of targets) {
      // One token a millisecond: each is a frame of its own.
      const [request] = await target.requests(1, `paced-${tokens}-1`)
      const path = streamPath(await begin(target.url, request!))
      await send(lab.load, target, { url: target.url, wanted: [{ method: 'GET', path }], tokens, overMs: 0 })
      paths.set(target, path)
    }
    const replay = async (target: Target) => {
      const wanted = { method: 'GET', path: paths.get(target)! }
      return await measured(lab, target, () =>
        ask<number[]>(lab.load, 'replay', { url: target.url, wanted, tokens, times: TIMES }),
      )
    }
    for (const target of targets) await replay(target)
    await interleaved(result, targets, rounds, async (target) => {
      const { value: elapsedMs, cpuUs, figures } = await replay(target)
      return {
        'frames/s': (tokens / middle(elapsedMs).median) * 1000,
        'CPU µs/frame': cpuUs / TIMES / tokens,
        ...figures,
      }
    })
    await stopAll(targets)
    const values = pair(result, 'frames/s', 'roundtable', 'memory')
    if (options.other) pair(result, 'frames/s', 'roundtable', 'other')
    pair(result, 'CPU µs/frame', 'roundtable', 'memory')
    result.goals.push({ name: 'frames/s over memory', values, must: 0.5, aim: 0.9, more: true })
    return result
  },
}
