import type { Dialect } from '../conversation.ts'
import type { Target } from '../lab.ts'
import { emptyResult, interleaved, pair } from '../result.ts'
import { contestants, STEADY, stopAll, streamsOnce, WHOLE } from './streams.ts'
import type { Workload } from './workload.ts'

/** CPU µs per token while all speak, and with what it costs that a run ends and another begins in its place. */
const COST = 'CPU µs/token'
const COST_WITH_RUNS = 'CPU µs/token with runs'

interface Paced {
  dialect: Dialect
  /** How often each is measured, unless told otherwise. */
  usually: number
  goal: { must: number; aim: number }
}

/** Many streams at 50 tokens a second, as good models speak. */
function paced(name: string, about: string, { dialect, usually, goal }: Paced): Workload {
  return {
    name,
    about,
    async run(lab, options) {
      const { streams = 200, rounds = usually, tokens = 300 } = options
      const result = emptyResult(`${name}: ${streams} streams × 50 tokens/s, runs of ${tokens} tokens`)
      const targets = await contestants(lab, ['/parse'], options)
      const speaking = { streams, tokens, script: `paced-${tokens}-20`, dialect, overMs: 1000 } as const
      // They begin within the time of one run, so that from then on they end and begin evenly, and there are always as many.
      const going = { ...speaking, overMs: tokens * 20, times: 2 }
      // The first answers of a process are compiled as they run.
      for (const target of targets) await streamsOnce(lab, target, { ...going, times: 1 })
      const alone = async (target: Target) => ({ [COST]: (await streamsOnce(lab, target, speaking))[STEADY]! })
      const withRuns = async (target: Target) => {
        const { [WHOLE]: _, [STEADY]: cost, ...figures } = await streamsOnce(lab, target, going)
        return { [COST_WITH_RUNS]: cost!, ...figures }
      }
      await interleaved(result, targets, rounds, alone, withRuns)
      await stopAll(targets)
      const cost = pair(result, COST, 'roundtable', 'parse-only')
      pair(result, COST_WITH_RUNS, 'roundtable', 'parse-only')
      if (options.other) {
        pair(result, COST, 'roundtable', 'other')
        pair(result, COST_WITH_RUNS, 'roundtable', 'other')
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

// A tail is made by the few worst tenths of a second of a round, so rounds differ several times over.
export const realistic = paced('realistic', 'many streams at 50 tokens/s, against a server that stores nothing', {
  dialect: 'openai',
  usually: 11,
  goal: { must: 1.35, aim: 1 },
})

export const anthropic = paced('ai-sdk', 'the same through an AI SDK provider', {
  dialect: 'anthropic',
  usually: 5,
  goal: { must: 4, aim: 3 },
})
