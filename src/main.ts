import { readConfig } from './config.ts'
import { announce, flushLogs, logger, logTo } from './logger.ts'
import { type RunningServer, startServer } from './server.ts'
import { stdoutSink } from './stdout.ts'

/** The process: settings, a server, and its graceful end. */
async function main() {
  const config = readConfig()
  logTo(stdoutSink())
  logger.level = config.logLevel
  const server = await startServer(config, new URL('../migrations/sqlite', import.meta.url).pathname)
  onSignal(server)
  void server.failed.then(fail)
  announce(`Roundtable listens at ${server.url}`)
  if (server.demoGroup) {
    announce(`Try it:  curl -N ${server.url}/v1/groups/${server.demoGroup}/messages/stream \\
  -H 'content-type: application/json' -d '{"input": "Where shall we go for a weekend?", "stream_tokens": true}'`)
  }
}

/** SIGTERM and SIGINT end gracefully; a second one does not wait. */
function onSignal(server: RunningServer) {
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(1)
    stopping = true
    server
      .close()
      .then(() => flushLogs())
      .then(() => process.exit(0), fail)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** One line: what went wrong at start-up is the operator's to mend. */
function fail(error: unknown) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}

main().catch(fail)
