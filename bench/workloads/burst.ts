import { emptyResult, interleaved, pair } from '../result.ts'
import { contestants, stopAll, streamsOnce } from './streams.ts'
import type { Workload } from './workload.ts'

export const burst: Workload = {
  name: 'burst',
  about: 'every stream as fast as the socket takes it',
  async run(lab, options) {
    const { streams = 100, rounds = 5, tokens = 1000 } = options
    const result = emptyResult(`burst: ${streams} streams of ${tokens} tokens, as fast as the socket takes them`)
    const targets = await contestants(lab, ['/proxy', '/parse'], options)
    const once = { streams, tokens, script: `burst-${tokens}`, overMs: 0 } as const
    for (const target of targets) await streamsOnce(lab, target, once)
    await interleaved(result, targets, rounds, (target) => streamsOnce(lab, target, once))
    await stopAll(targets)
    for (const other of targets.slice(0, -1)) pair(result, 'CPU µs/token', 'roundtable', other.name)
    pair(result, 'tokens/s', 'roundtable', 'parse-only')
    return result
  },
}
