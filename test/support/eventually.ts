import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for what no event tells: asks again until it holds. The test's own timeout bounds it. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}
