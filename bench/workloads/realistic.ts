import type { Dialect } from '../conversation.ts'
import { emptyResult, interleaved, pair } from '../result.ts'
import { contestants, stopAll, streamsOnce } from './streams.ts'
import type { Workload } from './workload.ts'

/** How often each stream is asked: what is measured lies between the first run of all and the last. */
const TIMES = 3

/** Many streams at 50 tokens a second, as good models speak; where one ends the next begins, so that there are always as many. */
function paced(name: string, about: string, dialect: Dialect, goal: { must: number; aim: number }): Workload {
  return {
    name,
    about,
    async run(lab, options) {
      const { streams = 200, rounds = 5, tokens = 300 } = options
      const result = emptyResult(`${name}: ${streams} streams × 50 tokens/s, runs of ${tokens} tokens, one after the other`)
      const targets = await contestants(lab, ['/parse'], options)
      // They begin within the time of one run, so that they end and begin evenly from then on.
      const once = { streams, tokens, script: `paced-${tokens}-20`, dialect, overMs: tokens * 20, times: TIMES } as const
      // The first answers of a process are compiled as they run.
      for (const target of targets) await streamsOnce(lab, target, { ...once, times: 1 })
      await interleaved(result, targets, rounds, (target) => streamsOnce(lab, target, once))
      await stopAll(targets)
      const cost = pair(result, 'CPU µs/token, all speaking', 'roundtable', 'parse-only')
      pair(result, 'CPU µs/token', 'roundtable', 'parse-only')
      if (options.other) {
        pair(result, 'CPU µs/token, all speaking', 'roundtable', 'other')
        pair(result, 'CPU µs/token', 'roundtable', 'other')
      }
      const added = (figure: string) => pair(result, figure, 'roundtable', 'parse-only', 'difference')
      result.goals.push({ name: 'CPU per token over parse-only', values: cost, ...goal })
      if (dialect === 'openai') {
        result.goals.push(
          { name: 'added latency p50, ms', values: added('latency p50 ms'), must: 2, aim: 0.5 },
          { name: 'added latency p99, ms', values: added('latency p99 ms'), must: 12, aim: 5 },
          { name: 'first token, added p50, ms', values: added('first token p50 ms'), must: 5, aim: 2 },
          { name: 'first token, added p99, ms', values: added('first token p99 ms'), must: 25, aim: 10 },
        )
      }
      return result
    },
  }
}

export const realistic = paced('realistic', 'many streams at 50 tokens/s, against a server that stores nothing', 'openai', {
  must: 1.35,
  aim: 1,
})

export const anthropic = paced('ai-sdk', 'the same through an AI SDK provider', 'anthropic', { must: 4, aim: 3 })
