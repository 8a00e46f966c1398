import type { Admission } from '../../db/store.ts'
import { alone } from './alone.ts'
import { dynamic } from './dynamic.ts'
import type { Manager } from './manager.ts'
import { roundRobin } from './round-robin.ts'
import { sleeptime } from './sleeptime.ts'
import { supervisor } from './supervisor.ts'
import { swarm } from './swarm.ts'

/** The managers there are. A new one is one file and one line here. */
export const managers: Record<Admission['manager'], Manager> = {
  agent: alone,
  round_robin: roundRobin,
  dynamic,
  supervisor,
  sleeptime,
  voice_sleeptime: sleeptime,
  swarm,
}
