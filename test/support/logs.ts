import { onTestFinished } from 'vitest'
import { logger, logTo } from '../../src/logger.ts'

export interface LogLine {
  level: string
  msg: string
  [field: string]: any
}

/** Every line that is logged from now to the end of the test, as it would leave the process. */
export function captureLogs(level = 'info', onLine: (line: LogLine) => void = () => {}): { lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (text: string) => {
    if (!text.startsWith('{')) return
    const line: LogLine = JSON.parse(text)
    lines.push(line)
    onLine(line)
  }
  const [before, beforeLevel] = [logTo({ write, flush: async () => {} }), logger.level]
  logger.level = level
  onTestFinished(() => {
    logTo(before)
    logger.level = beforeLevel
  })
  return { lines }
}
