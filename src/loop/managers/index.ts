import type { Admission } from '../../db/store.ts'
import { Unsupported } from '../../errors.ts'
import { alone } from './alone.ts'
import type { Manager } from './manager.ts'
import { roundRobin } from './round-robin.ts'

/** The managers there are. A new one is one file and one line here. */
const managers: Partial<Record<Admission['manager'], Manager>> = {
  agent: alone,
  round_robin: roundRobin,
}

/** @throws {Unsupported} */
export function managerOf(type: Admission['manager']): Manager {
  const manager = managers[type]
  if (!manager) throw new Unsupported(`This version cannot run ${type} groups yet; they can be made, read and changed`)
  return manager
}
