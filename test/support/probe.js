// Loaded into a server process by NODE_OPTIONS: at each SIGUSR2 it says what the process holds when there is nothing to collect.
import { memoryUsage } from 'node:process'
import { setImmediate as turn } from 'node:timers/promises'

process.on('SIGUSR2', () => void say())

async function say() {
  // Code that is not used is dropped when it has not been for some collections.
  for (let n = 0; n < 12; n++) {
    globalThis.gc()
    await turn()
  }
  const { heapUsed, arrayBuffers, rss } = memoryUsage()
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  process.stderr.write(`probe ${JSON.stringify({ heapUsed, arrayBuffers, rss, timers })}\n`)
}
