import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptyResult, interleaved, valuesOf } from '../result.ts'
import { rssKb } from '../system.ts'
import { sizeMb, storedRuns } from './stored.ts'
import type { Workload } from './workload.ts'

export const start: Workload = {
  name: 'start',
  about: 'from the start of the process until it listens, and its memory then',
  async run(lab, { rounds = 5 }) {
    const large = await storedRuns(lab, { runs: 1000, frames: 1200, chars: 400 })
    const result = emptyResult(`start: an empty database, and one of ${sizeMb(large).toFixed(0)} MB`)
    let files = 0
    const cases = [
      { name: 'empty', file: () => join(lab.folder, `start-${++files}.db`) },
      { name: '1 GB', file: () => large },
    ]
    await interleaved(result, cases, rounds, async ({ file }) => {
      const target = await lab.server({ database: file(), probed: false })
      await sleep(1000)
      const idleMb = rssKb(target.pid) / 1024
      await target.stop()
      return { 'start to ready s': target.readyMs! / 1000, 'idle RSS MB': idleMb }
    })
    const goal = (name: string, of: string, figure: string, must: number, aim: number) =>
      result.goals.push({ name, values: valuesOf(result, of, figure), must, aim })
    goal('start to ready, empty, s', 'empty', 'start to ready s', 0.5, 0.2)
    goal('start to ready, 1 GB, s', '1 GB', 'start to ready s', 1.5, 0.5)
    goal('idle RSS, MB', 'empty', 'idle RSS MB', 120, 80)
    return result
  },
}
