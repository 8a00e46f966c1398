import { emptyResult } from '../result.ts'
import { measured, send } from '../measure.ts'
import type { Workload } from './workload.ts'

/** A stream is fully delivered when each token comes, in order, and hardly any is this late. */
const LATE_MS = 250

export const capacity: Workload = {
  name: 'capacity',
  about: 'how many streams at 50 tokens/s one core carries, whole and stored',
  async run(lab, options) {
    const { rounds = 5, tokens = 400 } = options
    const steps = options.streams ? [options.streams] : [200, 400, 500, 600]
    const result = emptyResult(`capacity: streams × 50 tokens/s, ${tokens} tokens each, on one core`)
    const target = await lab.server()
    const delivered = steps.map(() => true)
    for (let round = 0; round < rounds; round++) {
      for (const [index, streams] of steps.entries()) {
        const wanted = await target.requests(streams, `paced-${tokens}-20`)
        // They begin as slowly in each step: what is asked here is how many are carried, not how many are admitted at once.
        const order = { url: target.url, wanted, tokens, overMs: streams * 8 }
        const { value, cpuUs, figures } = await measured(lab, target, () => send(lab.load, target, order))
        const { report, moments } = value
        if (report.faults.length > 0 || report.latency.p99 > LATE_MS) delivered[index] = false
        const most = Math.max(...moments.map(({ open }) => open))
        const speaking = moments.filter(({ open }) => open === most)
        const [first, last] = [speaking[0]!, speaking.at(-1)!]
        const overUs = last.atUs - first.atUs
        const name = `${streams} streams`
        const row = {
          'streams with a fault': report.faults.length,
          'latency p50 ms': report.latency.p50,
          'latency p99 ms': report.latency.p99,
          'CPU µs/token': cpuUs / report.tokens,
          'speak at once': most,
          'CPU then, cores': (last.cpuUs - first.cpuUs) / overUs,
          'tokens/s then': ((last.tokens - first.tokens) / overUs) * 1e6,
          ...figures,
        }
        result.figures.set(name, [...(result.figures.get(name) ?? []), row])
      }
    }
    await target.stop()
    const whole = Math.max(0, ...steps.filter((_, index) => delivered.slice(0, index + 1).every(Boolean)))
    result.goals.push({ name: 'streams fully delivered', values: [whole], must: 400, aim: 600, more: true })
    result.notes.push(`Fully delivered: every token, in order, 99 of 100 within ${LATE_MS} ms of leaving the model.`)
    return result
  },
}
