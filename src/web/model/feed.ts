import type { Frame } from '../../wire/message.ts'
import { streamAddress } from './api.ts'

/** How the connection is. */
export type Line = 'connecting' | 'live' | 'lost'

export interface FeedListener {
  frame(frame: Frame): void
  /** The run's `[DONE]`; a group's feed has none. */
  done?(): void
  line(line: Line): void
  /** The server does not go on from where this was: begin anew. */
  gone(): void
}

/** Of nothing, not even a ping: a connection that broke without a word. The server pings every 20 s unless told otherwise. */
const SILENCE_MS = 75_000

/** A page that nobody looks at gives its connection back: a browser has six for a server. */
const HIDDEN_MS = 30_000

/**
 * Follows a stream for as long as it is not closed. The browser itself comes back after a cut and resumes by its
 * `Last-Event-ID`; where it gives up (an error status, a ticket that has expired) this opens the stream again, after the last
 * frame that it saw.
 */
export class Feed {
  readonly #path: string
  readonly #listener: FeedListener
  #source: EventSource | undefined
  #cursor: string | undefined
  #failures = 0
  #closed = false
  #again: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #hidden: ReturnType<typeof setTimeout> | undefined
  #resting = false

  constructor(path: string, listener: FeedListener) {
    this.#path = path
    this.#listener = listener
    window.addEventListener('online', this.#reopen)
    document.addEventListener('visibilitychange', this.#look)
    void this.#open()
  }

  close(): void {
    this.#closed = true
    window.removeEventListener('online', this.#reopen)
    document.removeEventListener('visibilitychange', this.#look)
    clearTimeout(this.#hidden)
    this.#drop()
  }

  async #open(): Promise<void> {
    try {
      const address = await streamAddress(this.#path, this.#cursor)
      if (this.#closed) return
      const source = new EventSource(address)
      this.#source = source
      source.addEventListener('open', () => {
        this.#failures = 0
        this.#heard()
        this.#listener.line('live')
      })
      source.addEventListener('message', (event) => this.#take(event))
      source.addEventListener('error', (event) => {
        if (event instanceof MessageEvent) return this.#take(event)
        this.#listener.line('lost')
        if (source.readyState === EventSource.CLOSED) this.#later()
      })
    } catch {
      this.#listener.line('lost')
      this.#later()
    }
  }

  #take({ data, lastEventId }: MessageEvent<string>) {
    this.#heard()
    if (lastEventId !== '') this.#cursor = lastEventId
    if (data === '[DONE]') this.#listener.done?.()
    else this.#listener.frame(JSON.parse(data) as Frame)
  }

  #heard() {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(this.#reopen, SILENCE_MS)
  }

  /** After the third failure in a row it is not the network: the place may be no more. */
  #later() {
    this.#drop()
    if (this.#closed) return
    this.#failures++
    const waitMs = Math.min(500 * 2 ** this.#failures, 8000) * (0.5 + Math.random())
    this.#again = setTimeout(() => (this.#failures % 3 === 0 ? this.#listener.gone() : this.#reopen()), waitMs)
  }

  /** Who has seen nothing cannot say where to go on, and what came meanwhile would be missing. */
  readonly #reopen = () => {
    this.#drop()
    if (this.#closed) return
    if (this.#cursor === undefined) this.#listener.gone()
    else void this.#open()
  }

  readonly #look = () => {
    clearTimeout(this.#hidden)
    if (document.visibilityState === 'hidden') {
      this.#hidden = setTimeout(() => {
        this.#resting = true
        this.#drop()
      }, HIDDEN_MS)
    } else if (this.#resting) {
      this.#resting = false
      this.#reopen()
    }
  }

  #drop() {
    this.#source?.close()
    clearTimeout(this.#again)
    clearTimeout(this.#silence)
  }
}
