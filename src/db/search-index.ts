import type { Db } from './db.ts'

/** To put the words of one row into the index costs a transaction nearly as much as to put in those of so many. */
const BATCH = 32

/** Keeps the search index of messages in step: it lags behind them by some rows, until somebody searches. */
export const searchIndex = ({ raw }: Pick<Db, 'raw'>) => {
  const marked = raw.prepare<[], number>(`SELECT seq FROM search_marks WHERE words = 'message_search'`).pluck()
  const newest = raw.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM messages').pluck()
  const add = raw.prepare(
    `INSERT INTO message_search (rowid, agent, text) SELECT seq, replace(agent_id, '-', ''), text FROM message_texts
     WHERE seq > (SELECT seq FROM search_marks WHERE words = 'message_search') AND text IS NOT NULL ORDER BY seq`,
  )
  const mark = raw.prepare<[number]>(`UPDATE search_marks SET seq = ? WHERE words = 'message_search'`)
  let known = marked.get()!

  /** In the transaction of the caller. */
  const catchUp = (): void => {
    add.run()
    mark.run((known = newest.get()!))
  }
  return {
    catchUp,
    /** The last row whose words are in the index, when there are others after it. */
    behind(): number | undefined {
      const last = marked.get()!
      return newest.get()! > last ? last : undefined
    },
    /** In the transaction that stored the row. */
    stored(seq: number): void {
      if (seq - known >= BATCH) catchUp()
    },
  }
}
