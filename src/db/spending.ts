import type { Db } from './db.ts'

const DAY_MS = 86_400_000

/** How long the sums of past days are kept. */
const KEPT_DAYS = 31

/** Adds what a run's model calls took to the day of its key; in the transaction that ends the run, so just once. */
export function charger({ raw }: Pick<Db, 'raw'>) {
  const add = raw.prepare(
    `INSERT INTO spending (key, day, tokens)
     SELECT @key, @day, coalesce(sum(json_extract(recorded, '$.usage.totalTokens')), 0) FROM steps WHERE run_id = @run AND kind = 'call'
     ON CONFLICT (key, day) DO UPDATE SET tokens = tokens + excluded.tokens`,
  )
  const forget = raw.prepare('DELETE FROM spending WHERE key = @key AND day < @day')
  return (key: string, run: string, at: number): void => {
    const day = Math.floor(at / DAY_MS)
    add.run({ key, day, run })
    forget.run({ key, day: day - KEPT_DAYS })
  }
}
