import { sql } from 'drizzle-orm'
import { newId } from '../wire/id.ts'
import { tools } from './schema.ts'
import type { Db } from './sqlite.ts'
import type { Tools } from './store.ts'

export const toolQueries = (db: Db): Tools => ({
  async ensureTools(tenant, definitions) {
    const rows = definitions.map(({ name, ...definition }) => {
      if (!name) throw new Error('A built-in tool has no name')
      return { id: newId('tool'), tenant, name, definition, createdAt: Date.now() }
    })
    if (rows.length === 0) return
    const current = { definition: sql`excluded.definition` }
    const upsert = db.orm
      .insert(tools)
      .values(rows)
      .onConflictDoUpdate({ target: [tools.tenant, tools.name], set: current })
    db.write(() => upsert.run())
  },
})
