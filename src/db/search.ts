import { StorageTrouble } from '../errors.ts'
import type { Db } from './db.ts'
import { searchIndex } from './search-index.ts'
import type { FoundMessage, Searches } from './store.ts'
import { textSearch } from './words.ts'

type Shown = Omit<FoundMessage, 'relevance'>

export const searchQueries = (db: Db): Searches => {
  const search = textSearch(db, {
    words: 'message_search',
    rows: 'messages',
    texts: 'message_texts',
    where: `t.date BETWEEN @from AND @to
      AND (@roles IS NULL OR t.role IN (SELECT value FROM json_each(@roles)))
      AND NOT (t.in_context = 1 AND coalesce(t.run_id, '') IN (SELECT run_id FROM busy WHERE target = @agent))`,
  })
  const index = searchIndex(db)
  const bySeq = db.raw.prepare<[number], Shown>('SELECT id, role, name, text, date FROM message_texts WHERE seq = ?')
  return {
    async searchMessages(tenant, agent, { text, roles, from, to, limit }) {
      await index.catchUp(db.write).catch(unlessStuck)
      const wanted = roles ? JSON.stringify(roles) : null
      const found = search(text, { tenant, agent, limit, roles: wanted, ...spanOf({ from, to }) }, index.behind())
      return found.flatMap(({ seq, relevance }) => {
        const shown = bySeq.get(seq)
        return shown ? [{ ...shown, relevance }] : []
      })
    },
  }
}

/** A disk that takes nothing keeps nobody from reading: what the index lacks is read then. */
function unlessStuck(error: unknown) {
  if (!(error instanceof StorageTrouble)) throw error
}

/** Bounds for BETWEEN. */
export const spanOf = ({ from, to }: { from?: number | undefined; to?: number | undefined }) => ({
  from: from ?? Number.MIN_SAFE_INTEGER,
  to: to ?? Number.MAX_SAFE_INTEGER,
})
