import { type Logger, pino } from 'pino'

/** Where lines go. Must not throw, and must not wait. */
export interface LogSink {
  write(line: string): void
  /** Resolves when all that was written has left the process, or cannot leave it. */
  flush(): Promise<void>
}

/** Longer texts in an error are cut: some libraries put the whole statement with its values there. */
const MAX_TEXT = 2000

/** Shorter values are not looked for: hiding `1` would hide half of every line. */
const SHORTEST_SECRET = 6

const HIDDEN = '[hidden]'

let sink: LogSink = { write: (line) => void process.stdout.write(line), flush: async () => {} }
let secrets: string[] = []

/**
 * The server's own words: JSON lines, a few per run and none per token. Until the process sets its level, only what went wrong.
 * An error is given as `err`; of it only the names, texts and stack are written, and not what libraries hang on it (headers,
 * bodies).
 */
export const logger: Logger = pino(
  {
    level: 'error',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
    serializers: { err: plainError },
    redact: { paths: ['authorization', 'password', 'apiKey', '*.authorization', '*.password', '*.apiKey'], censor: HIDDEN },
  },
  { write: (line) => sink.write(withoutSecrets(line)) },
)

/** Everything that is logged from now on goes there. @returns where it went before */
export function logTo(next: LogSink): LogSink {
  const before = sink
  sink = next
  return before
}

/** A line for people, as it is, and at once. */
export function announce(text: string): void {
  sink.write(`${text}\n`)
  void sink.flush()
}

/** Resolves when what was logged is out, or after `patienceMs`: a reader that has stalled does not keep the process. */
export async function flushLogs(patienceMs = 500): Promise<void> {
  let late: NodeJS.Timeout | undefined
  await Promise.race([sink.flush(), new Promise<void>((resolve) => (late = setTimeout(resolve, patienceMs)))])
  clearTimeout(late)
}

/** From now on these values appear in no line, whoever writes them: a provider quotes the key that it refuses (faults.md F83). */
export function hideInLogs(values: string[]): void {
  const long = values.filter((value) => value.length >= SHORTEST_SECRET)
  const quoted = long.map((value) => JSON.stringify(value).slice(1, -1))
  secrets = [...new Set([...secrets, ...long, ...quoted])].toSorted((a, b) => b.length - a.length)
}

/** A text of others without those values, and without what looks like a key on its way, though nobody named it. */
export function withoutSecrets(text: string): string {
  for (const secret of secrets) text = text.replaceAll(secret, HIDDEN)
  return text.replaceAll(/\b(Bearer|Basic) +[\w.~+/=-]{6,}/gi, `$1 ${HIDDEN}`).replaceAll(/\brt-[\w-]{43}/g, HIDDEN)
}

function plainError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error).slice(0, MAX_TEXT)
  const { code, status } = error as { code?: unknown; status?: unknown }
  return {
    type: error.constructor.name,
    message: error.message.slice(0, MAX_TEXT),
    ...(typeof code === 'string' && { code }),
    ...(typeof status === 'number' && { status }),
    // The stack begins with the message.
    stack: error.stack?.slice(error.stack.indexOf('\n    at ') + 1).slice(0, MAX_TEXT),
    ...(error.cause !== undefined && depth < 4 && { cause: plainError(error.cause, depth + 1) }),
  }
}
