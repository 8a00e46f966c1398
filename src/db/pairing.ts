import type Database from 'better-sqlite3'
import { randomUUID } from 'node:crypto'
import type { Finding } from './finding.ts'
import type { Part } from './store.ts'

/** Said in the place of a result that was lost. */
const LOST = 'No result: it was lost, and nobody knows whether the tool has run.'

interface Row {
  seq: number
  id: string
  tenant: string
  agent_id: string
  group_id: string | null
  run_id: string | null
  step_id: string | null
  role: string
  parts: string
  name: string | null
  sender_id: string | null
  date: number
}

interface Call {
  id: string
  name: string
  row: Row
}

interface Torn {
  /** Calls without a result, that nobody will answer any more. */
  calls: Call[]
  /** Rows with results that no call asked for. */
  strays: { row: Row; kept: Part[] }[]
}

/**
 * In what every agent's model is shown, each tool call has its result. A missing one is written as an error that says so; a result
 * without a call is taken out. The server puts up with both (design §5 row 27), other readers of the history may not.
 */
export function examinePairing(db: Database.Database, mend: boolean): Finding[] {
  const agents = db.prepare<[], { id: string; name: string }>('SELECT id, name FROM agents ORDER BY seq').all()
  const busy = new Set(
    db
      .prepare<[], string>(
        `WITH open AS (SELECT id, admission FROM runs WHERE status IN ('created', 'running'))
         SELECT id FROM open
         UNION SELECT value FROM open, json_each(open.admission, '$.continues')
         UNION SELECT run_id FROM approvals WHERE status = 'pending'`,
      )
      .pluck()
      .all(),
  )
  const context = db.prepare<[string], Row>(
    'SELECT * FROM messages WHERE agent_id = ? AND in_context = 1 ORDER BY coalesce(place, seq), seq',
  )
  const findings = agents.flatMap(({ id, name }): Finding[] => {
    const torn = tornOf(context.all(id), busy)
    const { calls, strays } = torn
    if (calls.length + strays.length === 0) return []
    if (mend) db.transaction(() => mendHistory(db, torn)).immediate()
    const of = [
      ...calls.map((call) => `the call ${call.id} of ${call.name} has no result`),
      ...strays.map(({ row }) => `${row.id} has results that nothing asked for`),
    ]
    const did = mend ? '. Lost results are marked as errors now, stray ones are out of its context' : ''
    return [{ level: mend ? 'mended' : 'trouble', text: `${name} (${id}): ${of.join('; ')}${did}` }]
  })
  return findings.length > 0 ? findings : [{ level: 'fine', text: `The histories of ${agents.length} agents are well paired` }]
}

/** A run that is open, or waits for an answer, still brings its results. */
function tornOf(rows: Row[], busy: Set<string>): Torn {
  const open = new Map<string, Call>()
  const calls: Call[] = []
  const strays: Torn['strays'] = []
  for (const row of rows) {
    const parts: Part[] = JSON.parse(row.parts)
    const kept = parts.filter((part) => {
      if (part.type === 'tool_call') {
        // Providers use ids again: the earlier call gets nothing any more.
        const earlier = open.get(part.id)
        if (earlier) calls.push(earlier)
        open.set(part.id, { id: part.id, name: part.name, row })
      }
      return part.type !== 'tool_return' || open.delete(part.tool_call_id)
    })
    if (kept.length < parts.length) strays.push({ row, kept })
  }
  const lost = [...calls, ...open.values()].filter(({ row }) => row.run_id === null || !busy.has(row.run_id))
  return { calls: lost, strays }
}

function mendHistory(db: Database.Database, { calls, strays }: Torn) {
  const insert = db.prepare(
    `INSERT INTO messages (id, tenant, agent_id, group_id, run_id, step_id, role, parts, name, sender_id, is_err, date, in_context, place, heard)
     VALUES (?, ?, ?, ?, ?, ?, 'tool', ?, ?, ?, 1, ?, 1, ?, 0)`,
  )
  for (const { id, name, row } of calls) {
    const part: Part = { type: 'tool_return', tool_call_id: id, content: LOST, is_error: true }
    const place = [row.tenant, row.agent_id, row.group_id, row.run_id, row.step_id] as const
    insert.run(`message-${randomUUID()}`, ...place, JSON.stringify([part]), name, row.sender_id, row.date, row.seq)
  }
  for (const { row, kept } of strays) {
    if (kept.length === 0) db.prepare('UPDATE messages SET in_context = 0 WHERE seq = ?').run(row.seq)
    else db.prepare('UPDATE messages SET parts = ? WHERE seq = ?').run(JSON.stringify(kept), row.seq)
  }
}
