import { RunBusy } from '../errors.ts'
import type { Db } from './db.ts'

/** @returns a check that throws {RunBusy} while a run has `target`, a group's or an agent's id */
export const busyCheck = ({ raw }: Pick<Db, 'raw'>) => {
  const holder = raw.prepare<[string], string>('SELECT run_id FROM busy WHERE target = ?').pluck()
  return (target: string): void => {
    const runId = holder.get(target)
    if (runId !== undefined) throw new RunBusy(target, runId)
  }
}
