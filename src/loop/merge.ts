import { asRefusal, Cancelled, Suspended } from '../errors.ts'
import type { Settled } from './managers/manager.ts'
import type { MessageStream } from './stream.ts'
import type { Said } from './turn.ts'

/**
 * Several turns at the same time, as one stream: what any of them yields comes at once. A turn that fails is an entry like the
 * others; only a cancel, or the end of the process, ends them all.
 */
export async function* together(turns: MessageStream<Said>[]): MessageStream<Settled[]> {
  const results: Settled[] = []
  const waiting = new Map(turns.map((turn, index) => [index, next(turn, index)]))
  let stopped: unknown
  while (waiting.size > 0) {
    const { index, item, failure } = await Promise.race(waiting.values())
    if (failure !== undefined) {
      waiting.delete(index)
      if (failure instanceof Cancelled || failure instanceof Suspended) stopped ??= failure
      else results[index] = { failure: asRefusal(failure).message }
    } else if (item!.done) {
      waiting.delete(index)
      results[index] = item!.value
    } else {
      waiting.set(index, next(turns[index]!, index))
      yield item!.value
    }
  }
  if (stopped !== undefined) throw stopped
  return results
}

async function next(turn: MessageStream<Said>, index: number) {
  try {
    return { index, item: await turn.next() }
  } catch (failure) {
    return { index, failure }
  }
}
