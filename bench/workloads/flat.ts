import { costBetween, send } from '../measure.ts'
import { emptyResult, interleaved, pair } from '../result.ts'
import { sizeMb, storedRuns } from './stored.ts'
import { stopAll, streamsOnce } from './streams.ts'
import type { Workload } from './workload.ts'

/** What "flat" allows. */
const FLAT = { must: 1.1, aim: 1.05 }

export const flat: Workload = {
  name: 'flat',
  about: 'the cost of a frame in a long run, beside many stored runs, in a large database',
  async run(lab, { rounds = 5, streams = 100, tokens = 150 }) {
    const few = await storedRuns(lab, { runs: 1, frames: 20 })
    const many = await storedRuns(lab, { runs: 1000, frames: 100 })
    const large = await storedRuns(lab, { runs: 1000, frames: 1200, chars: 400 })
    const sizes = [few, many, large].map((file) => `${sizeMb(file).toFixed(0)} MB`)
    const names = [`1 run, ${sizes[0]}`, `1000 runs, ${sizes[1]}`, `1000 runs, ${sizes[2]}`] as const
    const result = emptyResult(`flat: ${streams} streams × 50 tokens/s over each database; runs of 10 000 frames`)
    const targets = [
      await lab.server({ name: names[0], database: few }),
      await lab.server({ name: names[1], database: many }),
      await lab.server({ name: names[2], database: large }),
    ]
    const once = { streams, tokens, script: `paced-${tokens}-20`, overMs: 1000 } as const
    for (const target of targets) await streamsOnce(lab, target, once)
    await interleaved(result, targets, rounds, (target) => streamsOnce(lab, target, once))
    const cost = 'CPU µs/token'
    result.goals.push(
      { name: '1000 stored runs against 1', values: pair(result, cost, names[1], names[0]), ...FLAT },
      { name: '1 GB against 10 MB', values: pair(result, cost, names[2], names[1]), ...FLAT },
      { name: 'frames 9000–10 000 against 100–1000', values: await longRuns(), ...FLAT },
    )
    await stopAll(targets)
    return result

    /** Ten runs of a token each millisecond: what their last thousand frames cost, over what the first did. */
    async function longRuns(): Promise<number[]> {
      const [target] = targets
      const ratios: number[] = []
      for (let round = 0; round < rounds; round++) {
        const wanted = await target!.requests(10, 'paced-10000-1')
        const { moments } = await send(lab.load, target!, { url: target!.url, wanted, tokens: 10_000, overMs: 0 })
        const at = (frames: number) => moments.find((moment) => moment.tokens >= frames * wanted.length)
        ratios.push(
          costBetween(
            at(9000),
            moments.findLast(({ open }) => open === 10),
          ) / costBetween(at(100), at(1000)),
        )
      }
      return ratios
    }
  },
}
