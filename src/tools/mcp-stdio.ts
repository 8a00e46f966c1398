import type { MCPTransport } from '@ai-sdk/mcp'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'

type Message = Parameters<MCPTransport['send']>[0]

export interface StdioOptions {
  command: string
  args: string[]
  /** All that it finds in its environment. */
  env: Record<string, string>
  /** The longest line that is read. */
  limitBytes: number
  /** Throws for what is no JSON-RPC message. */
  check: (message: unknown) => Message
  /** The process has ended, by itself or not. */
  ended: () => void
}

/** How long a server may take to end once it has been asked to. */
const END_MS = 1000

/**
 * An MCP server as a child process: one JSON message in a line. Ours, as the transports of both SDKs hand part of this server's
 * environment on. It gets a process group of its own, so that what it started ends with it.
 */
export class StdioTransport implements MCPTransport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: (message: Message) => void
  readonly #options: StdioOptions
  #child: ChildProcessWithoutNullStreams | undefined
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(options: StdioOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { command, args, env } = this.#options
    const child = spawn(command, args, { env, detached: true })
    this.#child = child
    child.once('close', () => {
      this.#child = undefined
      this.#options.ended()
      this.onclose?.()
    })
    child.on('error', (error) => this.onerror?.(error))
    child.stdin.on('error', (error) => this.onerror?.(error))
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk))
    child.stderr.resume() // its own log; nobody asked for it here
    try {
      await once(child, 'spawn')
    } catch (error) {
      this.#child = undefined // there is no such program
      throw error
    }
  }

  async send(message: Message): Promise<void> {
    if (!this.#child) throw new Error('The process has ended')
    if (!this.#child.stdin.write(`${JSON.stringify(message)}\n`)) await once(this.#child.stdin, 'drain')
  }

  /** Asks it to end, by the end of its input and by a signal; then it is made to. */
  async close(): Promise<void> {
    const child = this.#child
    if (!child) return
    const closed = once(child, 'close')
    child.stdin.end()
    signalGroup(child, 'SIGTERM')
    const last = setTimeout(endNow, END_MS, child)
    await closed
    clearTimeout(last)
    signalGroup(child, 'SIGKILL')
  }

  #read(chunk: Buffer) {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    if (chunk.includes(10)) {
      const whole = Buffer.concat(this.#pieces)
      const end = whole.lastIndexOf(10)
      this.#pieces = [whole.subarray(end + 1)]
      this.#bytes = whole.length - end - 1
      for (const line of whole.toString('utf8', 0, end).split('\n')) this.#take(line)
    }
    if (this.#bytes > this.#options.limitBytes && this.#child) endNow(this.#child)
  }

  #take(line: string) {
    if (line.trim() === '') return
    try {
      this.onmessage?.(this.#options.check(JSON.parse(line)))
    } catch (error) {
      // No message; or an answer that nobody waits for, e.g. a late one, at which the client throws.
      this.onerror?.(error as Error)
    }
  }
}

/** Reads no more of it either: what it started may hold on to its output. */
function endNow(child: ChildProcessWithoutNullStreams) {
  signalGroup(child, 'SIGKILL')
  child.stdout.destroy()
  child.stderr.destroy()
}

function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals) {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // All of it has ended.
  }
}
