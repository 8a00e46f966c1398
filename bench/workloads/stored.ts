import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fill } from '../fill.ts'
import type { Lab } from '../lab.ts'
import { send } from '../measure.ts'

/** Makes a database of many finished runs, each a real one's copy. @returns its file, with no server on it */
export async function storedRuns(lab: Lab, { runs, frames }: { runs: number; frames: number }): Promise<string> {
  const file = join(lab.folder, `${runs}-runs-of-${frames}.db`)
  const target = await lab.server({ database: file })
  const wanted = await target.requests(1, `paced-${frames}-1`)
  const { report } = await send(lab.load, target, { url: target.url, wanted, tokens: frames, overMs: 0 })
  if (report.faults.length > 0) throw new Error(report.faults[0])
  await target.stop()
  fill(file, runs - 1)
  return file
}

export const sizeMb = (file: string): number => statSync(file).size / 1024 / 1024
