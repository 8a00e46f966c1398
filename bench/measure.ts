import type { ChildProcess } from 'node:child_process'
import { ask } from './channel.ts'
import type { Lab, Target } from './lab.ts'
import type { SendOrder, SendProgress, SendReport } from './load.ts'
import type { Figures } from './result.ts'
import { busyUs, cpuOf, rssKb } from './system.ts'

export interface Measured<T> {
  value: T
  cpuUs: number
  wallUs: number
  figures: Figures
}

/** Does the work, and says what that cost the target, and how much of the machine others used meanwhile. */
export async function measured<T>(lab: Lab, { pid, child }: Target, work: () => Promise<T>): Promise<Measured<T>> {
  const ours = () => [...lab.helpers, pid].reduce((sum, one) => sum + cpuOf(one).usedUs, 0)
  await ask(child, 'resetDelay')
  const before = { at: performance.now(), cpu: cpuOf(pid), busy: busyUs(), ours: ours() }
  const value = await work()
  const cpu = cpuOf(pid)
  const cpuUs = cpu.usedUs - before.cpu.usedUs
  const wallUs = (performance.now() - before.at) * 1000
  const others = (busyUs() - before.busy - (ours() - before.ours)) / wallUs
  const delay = await ask<{ p50: number; p99: number; max: number }>(child, 'readDelay')
  return {
    value,
    cpuUs,
    wallUs,
    figures: {
      'RSS MB': rssKb(pid) / 1024,
      'loop delay p99 ms': delay.p99,
      'loop delay max ms': delay.max,
      'CPU of target, cores': cpuUs / wallUs,
      'CPU of others, cores': Math.max(0, others),
      'wait for CPU, cores': (cpu.waitedUs - before.cpu.waitedUs) / wallUs,
    },
  }
}

/** A moment while streams were read. */
export interface Moment extends SendProgress {
  atUs: number
  cpuUs: number
}

/** Has the client send, and looks at the target's CPU time whenever that tells how far it is. */
export async function send(load: ChildProcess, { pid }: Target, order: SendOrder) {
  const moments: Moment[] = []
  const report = await ask<SendReport>(load, 'send', order, (said: SendProgress) =>
    moments.push({ ...said, atUs: performance.now() * 1000, cpuUs: cpuOf(pid).usedUs }),
  )
  return { report, moments }
}

/** CPU per token between the moments when all streams had begun and when the first one had ended for good. */
export function steadyCost(moments: Moment[], streams: number): number {
  const all = moments.filter(({ open }) => open === streams)
  return costBetween(all[0], all.at(-1))
}

export function costBetween(first: Moment | undefined, last: Moment | undefined): number {
  if (!first || !last || last.tokens === first.tokens) return NaN
  return (last.cpuUs - first.cpuUs) / (last.tokens - first.tokens)
}
