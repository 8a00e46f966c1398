import { setTimeout as sleep } from 'node:timers/promises'
import { obey, progress } from './channel.ts'
import { nowUs } from './clock.ts'
import { Reading, type Wanted } from './reading.ts'
import { type Spread, spreadOf } from './stats.ts'

/*
 * The client, as a process: opens streams, reads all of them, and says how that went.
 */

export interface SendOrder {
  url: string
  wanted: Wanted[]
  /** In each stream. */
  tokens: number
  /** The streams begin evenly in this time. */
  overMs: number
  /** How often each is asked, again as soon as it has ended. */
  times?: number
  /** Look at no latency before all have begun. */
  settled?: boolean
}

export interface SendReport {
  tokens: number
  bytes: number
  elapsedMs: number
  /** One for each stream that was not whole. */
  faults: string[]
  /** From the model's socket to the reader's, ms. */
  latency: Spread
  /** From the request to the first frame, and to the first token, ms. */
  firstFrame: Spread
  firstToken: Spread
}

/** Told every 100 ms while streams are read. */
export interface SendProgress {
  tokens: number
  /** Streams that have begun, and not come to their last end. */
  open: number
}

let idle: Reading[] = []

obey({
  async send({ url, wanted, tokens, overMs, times = 1, settled = false }: SendOrder): Promise<SendReport> {
    const ages = new Ages(wanted.length * tokens * times)
    const at = new URL(url)
    const startedUs = nowUs()
    const readings: Reading[] = []
    let open = 0
    let counting = !settled
    const count = () => readings.reduce((sum, reading) => sum + reading.tokens.count, 0)
    const telling = setInterval(() => progress({ tokens: count(), open } satisfies SendProgress), 100)
    await Promise.all(
      wanted.map(async (one, index) => {
        await sleep((index * overMs) / wanted.length + phaseOf(index))
        for (let time = 0; time < times; time++) {
          const reading = new Reading(at, one, { onToken: (ageUs) => counting && ages.add(ageUs) })
          readings.push(reading)
          await reading.begun
          if (time === 0) open++
          counting ||= open === wanted.length
          await reading.ended
        }
        open--
      }),
    )
    clearInterval(telling)
    const since = (time: number | undefined, reading: Reading) => ((time ?? Infinity) - reading.startedUs) / 1000
    return {
      tokens: count(),
      bytes: readings.reduce((sum, { bytes }) => sum + bytes, 0),
      elapsedMs: (nowUs() - startedUs) / 1000,
      faults: readings.flatMap((reading) => reading.fault(tokens) ?? []),
      latency: ages.spread(),
      firstFrame: spreadOf(readings.map((reading) => since(reading.firstFrameUs, reading))),
      firstToken: spreadOf(readings.map((reading) => since(reading.firstTokenUs, reading))),
    }
  },

  /** Reads one stream `times` times to its end, one after the other. @returns ms of each */
  async replay({ url, wanted, tokens, times }: { url: string; wanted: Wanted; tokens: number; times: number }) {
    const elapsedMs: number[] = []
    for (let time = 0; time < times; time++) {
      const reading = new Reading(new URL(url), wanted)
      await reading.ended
      elapsedMs.push((nowUs() - reading.startedUs) / 1000)
      const fault = reading.fault(tokens)
      if (fault !== undefined) throw new Error(fault)
    }
    return elapsedMs
  },

  /** Opens readers and leaves them open; resolves when each has got something. */
  async hold({ url, wanted, readers }: { url: string; wanted: Wanted; readers: number }) {
    const at = new URL(url)
    for (let opened = 0; opened < readers; opened += 100) {
      const some = Array.from({ length: Math.min(100, readers - opened) }, () => new Reading(at, wanted))
      idle.push(...some)
      await Promise.all(some.map(({ begun }) => begun))
    }
    return idle.filter(({ firstFrameUs }) => firstFrameUs !== undefined).length
  },

  release() {
    for (const reading of idle) reading.close()
    idle = []
  },

  /** Sends, and reads on until the server is gone. @returns the bytes of each stream, in base64 */
  async witness({ url, wanted }: { url: string; wanted: Wanted[] }) {
    const readings = wanted.map((one) => new Reading(new URL(url), one, { record: true }))
    await Promise.all(readings.map(({ ended }) => ended))
    return readings.map(({ recorded }) => Buffer.concat(recorded).toString('base64'))
  },
})

/** Conversations have nothing to do with each other: the golden ratio spreads any number of them over the 20 ms of a token. */
const phaseOf = (index: number) => ((index * 0.618_034) % 1) * 20

/** Ages of tokens in ms, in a place that was made beforehand. */
class Ages {
  count = 0
  readonly #ms: Float64Array

  constructor(capacity: number) {
    this.#ms = new Float64Array(capacity)
  }

  readonly add = (ageUs: number): void => {
    this.#ms[this.count++] = ageUs / 1000
  }

  spread(): Spread {
    return spreadOf(this.#ms.subarray(0, this.count))
  }
}
