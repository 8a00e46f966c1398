import { tameCollector } from '../collector.ts'
import { readConfig } from '../config.ts'
import { announce, flushLogs, logger, logTo } from '../logger.ts'
import { type RunningServer, startServer } from '../server.ts'
import { stdoutSink } from '../stdout.ts'
import type { Command, Given } from './command.ts'

export const command: Command = {
  usage: '',
  summary: 'start the server (what happens without a command)',
  options: {
    host: { type: 'string', help: 'where it listens; HOST' },
    port: { type: 'string', help: 'PORT' },
    database: { type: 'string', help: 'file:<path>; DATABASE_URL' },
  },
  async run(given, place) {
    const config = readConfig(undefined, settingsOf(given))
    logTo(stdoutSink())
    logger.level = config.logLevel
    tameCollector()
    const server = await startServer(config, place)
    // Before anybody can know that it is there: whoever stops it at once finds it able to hear that.
    const over = Promise.race([stopped(server), failed(server)])
    announce(`Roundtable listens at ${server.url}`)
    if (server.demoGroup) {
      announce(`Try it:  curl -N ${server.url}/v1/groups/${server.demoGroup}/messages/stream \\
  -H 'content-type: application/json' -d '{"input": "Where shall we go for a weekend?", "stream_tokens": true}'`)
    }
    await over
    await flushLogs()
    return 0
  },
}

const settingsOf = ({ text }: Given) => ({ HOST: text('host'), PORT: text('port'), DATABASE_URL: text('database') })

/** @throws what to tell the operator, when storage has failed */
async function failed(server: RunningServer): Promise<never> {
  throw await server.failed
}

/** Resolves when SIGTERM or SIGINT has ended it gracefully; a second one does not wait. */
function stopped(server: RunningServer): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false
    const stop = () => {
      if (stopping) process.exit(1)
      stopping = true
      server.close().then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
