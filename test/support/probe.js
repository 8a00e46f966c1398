// Loaded into a server process by NODE_OPTIONS: at each SIGUSR2 it says, after a garbage collection, what the process holds.
import { memoryUsage } from 'node:process'

process.on('SIGUSR2', () => {
  for (let n = 0; n < 3; n++) globalThis.gc()
  const { heapUsed, arrayBuffers, rss } = memoryUsage()
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  process.stderr.write(`probe ${JSON.stringify({ heapUsed, arrayBuffers, rss, timers })}\n`)
})
