import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from '../channel.ts'
import { emptyResult } from '../result.ts'
import type { Workload } from './workload.ts'

export const kill: Workload = {
  name: 'kill',
  about: 'SIGKILL while streams are read: what a reader saw is what is stored',
  async run(lab, { rounds = 5, streams = 50, tokens = 100 }) {
    const result = emptyResult(`kill: SIGKILL while ${streams} streams × 50 tokens/s are read`)
    const missing: number[] = []
    for (let round = 0; round < rounds; round++) {
      const target = await lab.server()
      const wanted = await target.requests(streams, `paced-${tokens}-20`)
      const witness = ask<string[]>(lab.load, 'witness', { url: target.url, wanted })
      await sleep(300 + Math.random() * tokens * 20)
      await target.stop('SIGKILL')
      const seen = (await witness).map((bytes) => framesOf(Buffer.from(bytes, 'base64').toString()))
      const again = await lab.server({ database: target.database! })
      const lost = await Promise.all(seen.map((frames) => lostOf(again.url, frames)))
      await again.stop()
      missing.push(lost.reduce((sum, count) => sum + count, 0))
      const delivered = seen.reduce((sum, frames) => sum + frames.length, 0)
      const row = { 'frames delivered': delivered, 'of them missing': missing.at(-1)! }
      result.figures.set('roundtable', [...(result.figures.get('roundtable') ?? []), row])
    }
    result.goals.push({ name: 'delivered frames missing', values: [Math.max(...missing)], must: 0, aim: 0 })
    return result
  },
}

/** The whole frames in what came over a connection; what was cut off does not count. */
const framesOf = (text: string): string[] => text.match(/^id: \d+\n(?:event: error\n)?data: .*\n\n/gm) ?? []

/** How many of these frames the server does not give again, byte for byte, in their place. */
async function lostOf(url: string, frames: string[]): Promise<number> {
  const runId = /"run_id":"(run-[0-9a-f-]+)"/.exec(frames[0] ?? '')?.[1]
  if (runId === undefined) return frames.length
  const response = await fetch(`${url}/v1/runs/${runId}/stream`)
  const stored = framesOf(await response.text())
  return frames.filter((frame, index) => stored[index] !== frame).length
}
