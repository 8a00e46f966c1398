import { Lab } from '../lab.ts'
import { emptyResult, pair } from '../result.ts'
import { STEADY, stopAll, streamsOnce } from './streams.ts'
import type { Workload } from './workload.ts'

const COST = 'CPU µs/token'

/**
 * Two servers at the same time on the one CPU. What the host does to one it does to the other, so that their ratio differs by some
 * hundredths from round to round; that of servers which speak in turn differs by tenths.
 */
export const beside: Workload = {
  name: 'beside',
  about: 'two servers at the same time on one core, to see what a change of a few percent does',
  async run(lab, options) {
    const { streams = 130, rounds = 8, tokens = 300 } = options
    const result = emptyResult(`beside: ${streams} streams × 50 tokens/s from each of two servers at the same time`)
    // Each has a model and a client of its own.
    const second = await Lab.open()
    try {
      const compared = options.other
        ? await second.server({ name: 'other', entry: options.other })
        : await second.baseline('parse-only', '/parse')
      const ours = await lab.server()
      const both = [
        { at: second, target: compared },
        { at: lab, target: ours },
      ]
      const speaking = { streams, tokens, script: `paced-${tokens}-20`, overMs: 1000 } as const
      const once = () => Promise.all(both.map(({ at, target }) => streamsOnce(at, target, speaking)))
      await once()
      for (const { target } of both) result.figures.set(target.name, [])
      for (let round = 0; round < rounds; round++) {
        const given = await once()
        for (const [index, { target }] of both.entries()) {
          const { [STEADY]: cost, 'latency p50 ms': p50, 'latency p99 ms': p99 } = given[index]!
          result.figures.get(target.name)!.push({ [COST]: cost!, 'latency p50 ms': p50!, 'latency p99 ms': p99! })
        }
      }
      await stopAll([compared, ours])
      pair(result, COST, ours.name, compared.name)
    } finally {
      await second.close()
    }
    return result
  },
}
