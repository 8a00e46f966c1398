import { monitorEventLoopDelay } from 'node:perf_hooks'
import { obey } from './channel.ts'

/** Loaded into whatever is measured, beside its own code: how late its event loop is. */
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

obey({
  resetDelay: () => delay.reset(),
  /** ms behind the timer that was due. */
  readDelay: () => ({ p50: late(50), p99: late(99), max: delay.max / 1e6 - 5 }),
})

const late = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e6 - 5)
