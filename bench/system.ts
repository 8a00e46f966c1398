import { readdirSync, readFileSync } from 'node:fs'

/*
 * What Linux says about processes. CPU times are nanoseconds of the scheduler's, not the 10 ms ticks of `ps`: a short run
 * has few of those.
 */

export interface CpuTime {
  usedUs: number
  /** How long its threads were ready to run while something else had the CPU. */
  waitedUs: number
}

/** The CPU time of all threads of a process since it began. */
export function cpuOf(pid: number): CpuTime {
  const total: CpuTime = { usedUs: 0, waitedUs: 0 }
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [used, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    total.usedUs += Number(used) / 1000
    total.waitedUs += Number(waited) / 1000
  }
  return total
}

/** CPU time that anybody used since the machine began, on all CPUs; of other machines on the same hardware too. */
export function busyUs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number)
  return (user! + nice! + system! + irq! + softirq! + steal!) * 10_000
}

/** Resident memory in KB. */
export function rssKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
