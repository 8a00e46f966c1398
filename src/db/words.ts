import type { Db } from './db.ts'

/** What a text asks for, as the search tables take it. */
export interface Words {
  /** For FTS5's MATCH: one agent's rows that have one of the words. Null when there is no word. */
  match: string | null
  /** Words of scripts that put no space between words, as JSON: to the index a whole sentence of them is one word. */
  unspaced: string
  /** All of them, as JSON: for rows whose words are not in the index yet. */
  spelled: string
}

const WORDS_LIMIT = 64

const word = /[\p{L}\p{N}\p{M}]+/gu

/** Nothing in `text` is syntax: each of its words is quoted. */
export function wordsOf(agentId: string, text: string): Words {
  const chunks = text.split(/[\s\0]+/)
  const words = [...new Set(chunks.flatMap((chunk) => chunk.match(word) ?? []))].slice(0, WORDS_LIMIT)
  // With what is written together, such as `2026-02-03`, as well: it counts for more, and SQLite may see other words in it.
  const written = chunks.filter((chunk) => chunk.search(word) >= 0).slice(0, WORDS_LIMIT)
  const lower = words.map((one) => one.toLowerCase())
  const quoted = [...new Set([...written, ...words])].map((one) => `"${one.replaceAll('"', '""')}"`).join(' OR ')
  return {
    match: words.length === 0 ? null : `agent:"${agentId.replaceAll('-', '')}" AND text:(${quoted})`,
    unspaced: JSON.stringify(lower.filter((one) => spaceless.test(one))),
    spelled: JSON.stringify(lower),
  }
}

const spaceless =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u

interface Ranked {
  seq: number
  rank: number
}

/** A search of one table: its newest rows, or those with the words. */
export interface TextSearch {
  words: 'message_search' | 'passage_search'
  rows: 'messages' | 'passages'
  /** The same rows with their `text`, which may be dear to make. */
  texts: 'message_texts' | 'passages'
  /** What the rows must fulfil beside; with named parameters. */
  where: string
}

type SearchParameters = { agent: string; limit: number } & Record<string, string | number | null>

/** How far back texts are read one by one. */
const READ_LIMIT = 5000

/**
 * Finds rows of `texts`: `seq` and relevance, the best first. The words of rows after `behind`, if it is given, are not in the index
 * yet: such rows are read.
 */
export const textSearch = ({ raw }: Pick<Db, 'raw'>, { words, rows, texts, where }: TextSearch) => {
  const own = `t.tenant = @tenant AND t.agent_id = @agent AND ${where}`
  const matching = raw.prepare<[object], Ranked>(`
    SELECT t.seq, -bm25(${words}, 0, 1) AS rank FROM ${words} JOIN ${rows} t ON t.seq = ${words}.rowid
    WHERE ${words} MATCH @match AND ${own} ORDER BY rank DESC, t.seq DESC LIMIT @limit`)
  const containing = raw.prepare<[object], Ranked>(`
    SELECT t.seq, 0 AS rank FROM ${texts} t
    WHERE ${own} AND t.seq > coalesce((SELECT seq FROM ${rows} WHERE agent_id = @agent ORDER BY seq DESC LIMIT 1 OFFSET ${READ_LIMIT}), 0)
      AND EXISTS (SELECT 1 FROM json_each(iif(t.seq > @behind, @spelled, @unspaced)) WHERE instr(lower(t.text), value) > 0)
    ORDER BY t.seq DESC LIMIT @limit`)
  const newest = raw.prepare<[object], Ranked>(`
    SELECT t.seq, 0 AS rank FROM ${texts} t WHERE ${own} AND t.text IS NOT NULL ORDER BY t.seq DESC LIMIT @limit`)

  return (text: string, parameters: SearchParameters, behind?: number): { seq: number; relevance: number | null }[] => {
    const asked = { ...parameters, behind: behind ?? Number.MAX_SAFE_INTEGER, ...wordsOf(parameters.agent, text) }
    if (asked.match === null) return newest.all(asked).map(({ seq }) => ({ seq, relevance: null }))
    const ranked = matching.all(asked)
    const best = ranked[0]?.rank || 1
    const found = new Map(ranked.map(({ seq, rank }) => [seq, rank / best]))
    if (asked.unspaced !== '[]' || behind !== undefined)
      for (const { seq } of containing.all(asked)) if (!found.has(seq)) found.set(seq, 0)
    return [...found].slice(0, parameters.limit).map(([seq, relevance]) => ({ seq, relevance }))
  }
}
