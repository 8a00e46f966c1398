import { setImmediate as turn } from 'node:timers/promises'
import type { Db } from './db.ts'

/** Rows whose words are put into the index at a time: a few milliseconds. */
const SLICE = 8
/** When so many are missing, whoever stores rows puts in some as well. */
const MOST_BEHIND = 4096

/**
 * Keeps the search index of messages in step. Words are dear, so that is done while nobody writes, and for who searches; until
 * then the index lags behind.
 */
export const searchIndex = ({ raw }: Pick<Db, 'raw'>) => {
  const marked = raw.prepare<[], number>(`SELECT seq FROM search_marks WHERE words = 'message_search'`).pluck()
  const newest = raw.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM messages').pluck()
  const endOfSlice = raw
    .prepare<[number], number>(`SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ${SLICE - 1}`)
    .pluck()
  const add = raw.prepare<[number, number]>(
    `INSERT INTO message_search (rowid, agent, text) SELECT seq, replace(agent_id, '-', ''), text FROM message_texts
     WHERE seq > ? AND seq <= ? AND text IS NOT NULL ORDER BY seq`,
  )
  const mark = raw.prepare<[number]>(`UPDATE search_marks SET seq = ? WHERE words = 'message_search'`)
  let known = marked.get()!

  /** In the transaction of the caller. */
  const addSlice = (): void => {
    const from = marked.get()!
    known = endOfSlice.get(from) ?? newest.get()!
    if (known === from) return
    add.run(from, known)
    mark.run(known)
  }
  /** The last row whose words are in the index, when there are others after it. */
  const behind = (): number | undefined => {
    const last = marked.get()!
    return newest.get()! > last ? last : undefined
  }
  return {
    behind,
    /** Puts in what is missing, at most so many slices, and lets others write in between. @throws {StorageTrouble} */
    async catchUp(write: Db['write'], slices = Infinity): Promise<void> {
      for (let made = 0; made < slices && behind() !== undefined; made++) {
        if (made > 0) await turn()
        await write(addSlice)
      }
    },
    /** In the transaction that stored the row. */
    stored(seq: number): void {
      if (seq - known > MOST_BEHIND) addSlice()
    },
  }
}
