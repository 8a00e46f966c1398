import type { ChildProcess } from 'node:child_process'

/*
 * How the bench speaks with its processes: an order has a number, its answer has the same. What a process says unasked is
 * progress.
 */

interface Order {
  order: number
  verb: string
  given: unknown
}

interface Answer {
  order: number
  value?: unknown
  error?: string
}

let orders = 0

/** @throws {Error} with what went wrong there, or when the process ends first */
export async function ask<T>(
  child: ChildProcess,
  verb: string,
  given?: unknown,
  onProgress?: (said: never) => void,
): Promise<T> {
  const order = ++orders
  return await new Promise<T>((resolve, reject) => {
    const onMessage = (said: Answer | { progress: never }) => {
      if ('progress' in said) return onProgress?.(said.progress)
      if (said.order !== order) return
      child.off('message', onMessage).off('exit', onExit)
      if (said.error === undefined) resolve(said.value as T)
      else reject(new Error(said.error))
    }
    const onExit = () => reject(new Error(`the process ended before it answered ${verb}`))
    child.on('message', onMessage).on('exit', onExit)
    child.send({ order, verb, given } satisfies Order)
  })
}

/** Answers the orders, of those verbs, of the process that started this one. */
export function obey(verbs: Record<string, (given: never) => unknown>): void {
  const answer = async ({ order, verb, given }: Order): Promise<Answer> => {
    try {
      return { order, value: await verbs[verb]!(given as never) }
    } catch (error) {
      return { order, error: error instanceof Error ? error.stack! : String(error) }
    }
  }
  process.on('message', (order: Order) => {
    if (order.verb in verbs) void answer(order).then((said) => process.send?.(said))
  })
}

export const progress = (said: unknown): void => void process.send?.({ progress: said })
