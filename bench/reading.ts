import { connect, type Socket } from 'node:net'
import { nowUs } from './clock.ts'
import { TokenScanner } from './token.ts'

export interface Wanted {
  method: 'GET' | 'POST'
  path: string
  body?: unknown
}

export interface ReadingOptions {
  /** The age of each token as it comes, in µs; not of those that had left the model before this stream was asked for. */
  onToken?: (ageUs: number) => void
  /** Keep the bytes behind the head. */
  record?: boolean
}

/**
 * One stream, read straight from its socket: the client shares a CPU with the model and must cost little. The framing of HTTP's
 * chunks is not undone; no token is cut by it, or the scanner would say so.
 */
export class Reading {
  readonly startedUs = nowUs()
  /** When the head was there, and then the first token. */
  firstFrameUs: number | undefined
  firstTokenUs: number | undefined
  bytes = 0
  readonly tokens = new TokenScanner()
  readonly recorded: Buffer[] = []
  /** Resolves at `[DONE]`, and when the connection ends, however that comes. */
  readonly ended: Promise<void>
  /** Resolves with the first frame, or the end. */
  readonly begun: Promise<void>
  readonly #socket: Socket
  readonly #options: ReadingOptions
  #head = ''
  #begin!: () => void
  #end!: () => void

  constructor(url: URL, { method, path, body }: Wanted, options: ReadingOptions = {}) {
    this.#options = options
    this.begun = new Promise((resolve) => (this.#begin = resolve))
    this.ended = new Promise((resolve) => (this.#end = resolve))
    const text = body === undefined ? '' : JSON.stringify(body)
    const type = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
    this.#socket = connect({
      port: Number(url.port),
      host: url.hostname,
      noDelay: true,
      onread: { buffer: sharedBuffer, callback: (length, buffer) => this.#read(Buffer.from(buffer.buffer, 0, length)) },
    })
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${url.host}\r\n${type}\r\n${text}`)
    this.#socket.on('error', (error) => (this.tokens.fault ??= error.message))
    this.#socket.once('close', () => this.#finish())
  }

  /** What is wrong with the stream, if it is not whole. */
  fault(tokens: number): string | undefined {
    if (this.tokens.fault !== undefined) return this.tokens.fault
    return this.tokens.done && this.tokens.count === tokens ? undefined : `ended after ${this.tokens.count} of ${tokens} tokens`
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): boolean {
    if (this.firstFrameUs === undefined && !this.#readHead(chunk)) return true
    this.bytes += chunk.length
    if (this.#options.record) this.recorded.push(Buffer.from(chunk))
    const now = nowUs()
    this.tokens.scan(chunk, (sentUs) => {
      this.firstTokenUs ??= now
      if (sentUs >= this.startedUs) this.#options.onToken?.(now - sentUs)
    })
    if (this.tokens.done) {
      this.#finish()
      this.#socket.destroy()
    }
    return true
  }

  /** @returns true once an event has begun */
  #readHead(chunk: Buffer): boolean {
    this.#head += chunk.toString('latin1', 0, 1024)
    if (!this.#head.startsWith('HTTP/1.1 200'.slice(0, this.#head.length))) this.tokens.fault ??= this.#head
    if (!this.#head.includes('data: ')) return false
    this.firstFrameUs = nowUs()
    this.#begin()
    return true
  }

  #finish() {
    this.#begin()
    this.#end()
  }
}

/** What is in it has been scanned before the next read. */
const sharedBuffer = Buffer.allocUnsafeSlow(256 * 1024)
