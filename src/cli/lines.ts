import { createInterface, type Interface } from 'node:readline'

/** What is typed, line by line, on a terminal or from a pipe. A line that comes before it is asked for is kept. */
export class Lines {
  readonly #interface: Interface
  readonly #lines: AsyncIterator<string>
  #closed = false
  onInterrupt: () => void = () => process.exit(130)

  constructor() {
    const { stdin: input, stdout: output } = process
    this.#interface = createInterface({ input, output, terminal: input.isTTY && output.isTTY })
    this.#lines = this.#interface[Symbol.asyncIterator]()
    // A terminal in raw mode says it by the interface, else it is a signal.
    this.#interface.on('SIGINT', () => this.onInterrupt())
    this.#interface.on('close', () => (this.#closed = true))
    process.on('SIGINT', this.#signal)
  }

  /** @returns undefined when there are no more */
  async ask(prompt: string): Promise<string | undefined> {
    if (this.#interface.terminal && !this.#closed) {
      this.#interface.setPrompt(prompt)
      this.#interface.prompt()
    } else process.stdout.write(prompt)
    const { value, done } = await this.#lines.next()
    return done ? undefined : value
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#signal)
    this.#interface.close()
  }

  readonly #signal = () => this.onInterrupt()
}
