import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { eventually } from './eventually.ts'

/** A connection that has sent these bytes, and what has come of it. Closed after the test. */
export async function rawSocket(url: string, bytes: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  const pieces: Buffer[] = []
  socket.on('data', (more: Buffer) => pieces.push(more))
  socket.write(bytes)
  const came = () => Buffer.concat(pieces)
  const text = () => came().toString('utf8')
  return {
    socket,
    bytes: came,
    text,
    closed: once(socket, 'close'),
    says: (expected: string) => eventually(() => text().includes(expected)),
  }
}

export interface RawAnswer {
  head: string
  /** As HTTP cuts it, not as the network does. */
  chunks: Buffer[]
  /** The last chunk, or byte, has come. */
  whole: boolean
}

/**
 * The answers that have come of a connection, taken apart as RFC 9112 has it: nothing is forgiven.
 *
 * @throws at the first byte that must not be there
 */
export function answersIn(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let at = 0; at < bytes.length;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at)
    if (headEnd < 0) break
    const head = bytes.toString('latin1', at, headEnd)
    if (!/^HTTP\/1\.1 \d{3} /.test(head)) throw new Error(`no head of an answer: ${head.slice(0, 80)}`)
    const answer: RawAnswer = { head, chunks: [], whole: false }
    answers.push(answer)
    at = headEnd + 4
    const length = /^content-length: (\d+)$/im.exec(head)?.[1]
    if (length !== undefined) {
      answer.chunks.push(bytes.subarray(at, at + Number(length)))
      answer.whole = at + Number(length) <= bytes.length
      at += Number(length)
      continue
    }
    if (!/^transfer-encoding: chunked$/im.test(head)) throw new Error(`no end is told: ${head}`)
    while (!answer.whole) {
      const lineEnd = bytes.indexOf('\r\n', at)
      if (lineEnd < 0) return answers
      const line = bytes.toString('latin1', at, lineEnd)
      if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`no size of a chunk: ${line.slice(0, 80)}`)
      const start = lineEnd + 2
      const end = start + Number.parseInt(line, 16)
      if (end + 2 > bytes.length) return answers
      if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error(`a chunk of ${line} is longer than it says`)
      if (end > start) answer.chunks.push(bytes.subarray(start, end))
      answer.whole = end === start
      at = end + 2
    }
  }
  return answers
}
