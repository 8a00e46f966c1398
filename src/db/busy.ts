import { eq, sql } from 'drizzle-orm'
import { RunBusy } from '../errors.ts'
import { busy } from './schema.ts'
import type { Db } from './db.ts'

/** @returns a check that throws {RunBusy} while a run has `target`, a group's or an agent's id */
export const busyCheck = ({ orm }: Pick<Db, 'orm'>) => {
  const holder = orm
    .select({ runId: busy.runId })
    .from(busy)
    .where(eq(busy.target, sql.placeholder('target')))
    .prepare()
  return (target: string): void => {
    const row = holder.get({ target })
    if (row) throw new RunBusy(target, row.runId)
  }
}
