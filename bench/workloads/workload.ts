import type { Lab } from '../lab.ts'
import type { Result } from '../result.ts'

/** Given on the command line; each workload has defaults of its own. */
export interface Options {
  streams?: number
  rounds?: number
  tokens?: number
  /** Another build's `roundtable.js`, to compare with. */
  other?: string
}

export interface Workload {
  name: string
  about: string
  run(lab: Lab, options: Options): Promise<Result>
}
