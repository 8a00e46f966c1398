import type { RunEnd, RunRow, StepRow, Usage } from '../db/store.ts'

/** Is told what runs do; log lines, counts and traces are made of it. Does not throw, and nobody waits for it. */
export interface RunWatcher {
  /** Once for each model call, when it is stored. */
  stepEnded(step: Omit<StepRow, 'tenant'>): void
  /** Once for each run, when its end is stored. */
  runEnded(
    run: Pick<RunRow, 'id' | 'tenant' | 'groupId' | 'agentId' | 'admission'>,
    end: RunEnd,
    usages: readonly Usage[],
  ): void
}

/** Several watchers as one; each may leave out what it does not care for. */
export const everybody = (watchers: Partial<RunWatcher>[]): RunWatcher => ({
  stepEnded(step) {
    for (const one of watchers) one.stepEnded?.(step)
  },
  runEnded(...end) {
    for (const one of watchers) one.runEnded?.(...end)
  },
})
