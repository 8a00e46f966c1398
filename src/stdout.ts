import { fstatSync, write } from 'node:fs'
import { isatty } from 'node:tty'
import { styleText } from 'node:util'
import { type LogSink, logger } from './logger.ts'

/** What may wait to be written; more is dropped, and the next line that gets out says how many were. */
const MAX_WAITING = 1024 * 1024

/**
 * Standard output as a place for logs that never blocks and never kills the service (faults.md F23): not when the disk behind
 * it is full, its reader has stalled or has gone away.
 */
export function stdoutSink(): LogSink {
  const stat = fstatSync(1)
  if (isatty(1)) return { write: (line) => void process.stdout.write(forPeople(line)), flush: async () => {} }
  return stat.isFile() || stat.isCharacterDevice() ? fileSink() : pipeSink()
}

/** Written by a thread; what a full disk did not take is tried again with the next line. */
function fileSink(): LogSink {
  const dropped = drops()
  let waiting: Buffer[] = []
  let writing: Promise<void> | undefined
  const bytes = () => waiting.reduce((sum, { length }) => sum + length, 0)
  const pump = async () => {
    while (waiting.length > 0) {
      const all = Buffer.concat(waiting)
      waiting = [all]
      const written = await new Promise<number>((resolve) => write(1, all, (error, count) => resolve(error ? 0 : count)))
      waiting[0] = all.subarray(written)
      if (written === 0) break
      if (waiting[0].length === 0) waiting.shift()
    }
    writing = undefined
    if (waiting.length === 0) dropped.tell()
  }
  return {
    write(line) {
      if (bytes() > MAX_WAITING) dropped.count()
      else waiting.push(Buffer.from(line))
      writing ??= pump()
    },
    flush: async () => await writing,
  }
}

/** Lines that come within so long of each other go out together: to write costs more than to make a line. */
const TOGETHER_MS = 100

/**
 * Node writes to a pipe synchronously, so that a reader that stalls would stall the server; a thread that waits for it would
 * keep the process from exiting.
 */
function pipeSink(): LogSink {
  const out = process.stdout
  const { _handle: handle } = out as unknown as { _handle?: { setBlocking?(on: boolean): void } }
  handle?.setBlocking?.(false)
  out.on('error', () => {})
  const dropped = drops()
  let together: NodeJS.Timeout | undefined
  const letOut = () => {
    together = out.writableCorked > 0 ? setTimeout(letOut, TOGETHER_MS) : undefined
    out.uncork()
  }
  return {
    write(line) {
      if (out.destroyed || out.writableLength + line.length > MAX_WAITING) return dropped.count()
      if (together === undefined) together = setTimeout(letOut, TOGETHER_MS)
      else if (out.writableCorked === 0) out.cork()
      if (out.write(line)) dropped.tell()
    },
    flush() {
      clearTimeout(together)
      together = undefined
      out.uncork()
      return new Promise((resolve) => (out.writableLength === 0 ? resolve() : out.write('', () => resolve())))
    },
  }
}

function drops() {
  let count = 0
  return {
    count: () => void count++,
    tell() {
      if (count === 0) return
      const lines = count
      count = 0
      logger.warn({ lines }, 'Log lines were dropped: standard output took no more')
    },
  }
}

const colours = { trace: 'dim', debug: 'dim', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const

/** One short line of a JSON one; any other line as it is. */
function forPeople(line: string): string {
  if (!line.startsWith('{')) return line
  const { level, time, msg, err, ...rest } = JSON.parse(line)
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const head = `${styleText('dim', time.slice(11, 19))} ${styleText(colours[level as keyof typeof colours], level)} ${msg ?? ''}`
  return `${head} ${styleText('dim', fields.join(' '))}${err ? `\n${err.message}\n${err.stack ?? ''}` : ''}\n`
}
