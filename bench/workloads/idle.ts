import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../channel.ts'
import { begin } from '../conversation.ts'
import { measured } from '../measure.ts'
import { emptyResult, interleaved, pair, valuesOf } from '../result.ts'
import { rssKb } from '../system.ts'
import { audience, streamPath } from './fan-out.ts'
import { stopAll } from './streams.ts'
import type { Workload } from './workload.ts'

export const idle: Workload = {
  name: 'idle',
  about: 'many readers of a run that says nothing',
  async run(lab, options) {
    const { streams: readers = 5000, rounds = 5 } = options
    const result = emptyResult(`idle: ${readers} readers of a silent run`)
    // A new process each round: memory that was once taken is not given back.
    for (let round = 0; round < rounds; round++) {
      const targets = await audience(lab, options)
      await interleaved(result, targets, 1, async (target) => {
        const [request] = await target.requests(1, 'silent-1')
        const wanted = { method: 'GET', path: streamPath(await begin(target.url, request!)) }
        const before = rssKb(target.pid)
        const open = await ask<number>(lab.load, 'hold', { url: target.url, wanted, readers })
        if (open < readers) throw new Error(`${target.name}: only ${open} of ${readers} readers got something`)
        const { figures } = await measured(lab, target, () => sleep(2000))
        const held = rssKb(target.pid) - before
        await ask(lab.load, 'release')
        return { 'RSS before MB': before / 1024, 'RSS per reader KB': held / readers, ...figures }
      })
      await stopAll(targets)
    }
    pair(result, 'RSS per reader KB', 'roundtable', 'memory')
    const values = valuesOf(result, 'roundtable', 'RSS per reader KB')
    result.goals.push({ name: 'RSS per idle reader, KB', values, must: 30, aim: 18 })
    return result
  },
}
