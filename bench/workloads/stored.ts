import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fill } from '../fill.ts'
import type { Lab } from '../lab.ts'
import { send } from '../measure.ts'

export interface Stored {
  runs: number
  frames: number
  /** In each frame. */
  chars?: number
}

/** Makes a database of many finished runs, each a real one's copy. @returns its file, with no server on it */
export async function storedRuns(lab: Lab, { runs, frames, chars = 0 }: Stored): Promise<string> {
  const file = join(lab.folder, `${runs}-runs-of-${frames}-${chars}.db`)
  if (existsSync(file)) return file
  const target = await lab.server({ database: file })
  const wanted = await target.requests(1, `paced-${frames}-1-${chars}`)
  const { report } = await send(lab.load, target, { url: target.url, wanted, tokens: frames, overMs: 0 })
  if (report.faults.length > 0) throw new Error(report.faults[0])
  await target.stop()
  fill(file, runs - 1)
  return file
}

export const sizeMb = (file: string): number => statSync(file).size / 1024 / 1024
