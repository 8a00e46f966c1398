import { asRefusal, Cancelled, Suspended } from '../errors.ts'
import type { Settled } from './managers/manager.ts'
import type { Said } from './turn.ts'

/**
 * Several turns at the same time. A turn that fails is an entry like the others; only a cancel, or the end of the process, is
 * thrown, when all of them have ended.
 */
export async function together(turns: Promise<Said>[]): Promise<Settled[]> {
  const ended = await Promise.allSettled(turns)
  return ended.map((turn) => {
    if (turn.status === 'fulfilled') return turn.value
    const failure: unknown = turn.reason
    if (failure instanceof Cancelled || failure instanceof Suspended) throw failure
    return { failure: asRefusal(failure).message }
  })
}
