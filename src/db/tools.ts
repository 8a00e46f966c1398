import { and, count, eq, inArray, like, not, type SQL, sql } from 'drizzle-orm'
import { Conflict, NotFound } from '../errors.ts'
import { newId } from '../wire/id.ts'
import type { ListToolsQuery, Tool } from '../wire/tool.ts'
import { contains } from './match.ts'
import { pageOf } from './page.ts'
import { agents, agentTools, tools } from './schema.ts'
import { withApproval } from './approval-rule.ts'
import type { Db } from './db.ts'
import type { NewTool, Tools } from './store.ts'

type ToolRow = typeof tools.$inferSelect

export const toolQueries = (db: Db): Tools => {
  const { orm } = db
  const byId = orm
    .select()
    .from(tools)
    .where(and(eq(tools.tenant, sql.placeholder('tenant')), eq(tools.id, sql.placeholder('id'))))
    .prepare()
  const byName = orm
    .select()
    .from(tools)
    .where(and(eq(tools.tenant, sql.placeholder('tenant')), eq(tools.name, sql.placeholder('name'))))
    .prepare()
  const agentById = orm
    .select({ id: agents.id, settings: agents.settings, secrets: agents.secrets })
    .from(agents)
    .where(and(eq(agents.tenant, sql.placeholder('tenant')), eq(agents.id, sql.placeholder('id'))))
    .prepare()
  const heldNamed = orm
    .select({ id: tools.id })
    .from(agentTools)
    .innerJoin(tools, eq(tools.id, agentTools.toolId))
    .where(and(eq(agentTools.agentId, sql.placeholder('agentId')), eq(tools.name, sql.placeholder('name'))))
    .prepare()

  const find = (tenant: string, id: string): ToolRow => {
    const row = byId.get({ tenant, id })
    if (!row) throw new NotFound('tool', id)
    return row
  }
  const findAgent = (tenant: string, id: string) => {
    const agent = agentById.get({ tenant, id })
    if (!agent) throw new NotFound('agent', id)
    return agent
  }
  const insert = (tenant: string, tool: NewTool): Tool =>
    toTool(
      orm
        .insert(tools)
        .values({ id: newId('tool'), tenant, createdAt: Date.now(), ...columns(tool) })
        .returning()
        .get(),
    )
  const replace = (id: string, tool: NewTool): Tool =>
    toTool(orm.update(tools).set(columns(tool)).where(eq(tools.id, id)).returning().get())
  const setRule = (agent: ReturnType<typeof findAgent>, toolName: string, required: boolean) => {
    const settings = { ...agent.settings, tool_rules: withApproval(agent.settings.tool_rules, toolName, required) }
    orm.update(agents).set({ settings, updatedAt: Date.now() }).where(eq(agents.id, agent.id)).run()
  }

  return {
    async ensureTools(tenant, definitions) {
      return db.write(() =>
        definitions.map((tool) => {
          const row = byName.get({ tenant, name: nameOf(tool) })
          // A user was first to use the name of one that is new.
          if (row?.definition.tool_type === 'custom') return toTool(row)
          return row ? replace(row.id, withSettings(tool, row)) : insert(tenant, tool)
        }),
      )
    },
    async ensureServerTools(tenant, server, definitions) {
      return db.write(() => {
        const refused: NewTool[] = []
        const stored = orm
          .select()
          .from(tools)
          .where(and(eq(tools.tenant, tenant), eq(field('tool_type'), 'external_mcp')))
          .all()
        const known = new Map(stored.map((row) => [originOf(row.definition), row]))
        for (const tool of definitions) {
          const row = known.get(originOf(tool))
          const free = [nameOf(tool), `${server}_${nameOf(tool)}`].find(
            (name) => name.length <= 64 && !byName.get({ tenant, name }),
          )
          if (row) replace(row.id, withSettings(named(tool, row.name), row))
          else if (free !== undefined) insert(tenant, named(tool, free))
          else refused.push(tool)
        }
        return refused
      })
    },
    async saveTool(tenant, tool) {
      return db.write(() => {
        const row = byName.get({ tenant, name: nameOf(tool) })
        if (!row) return insert(tenant, tool)
        const { tool_type: type } = row.definition
        if (type !== 'custom') throw new Conflict(`${row.name} is the name of a tool of type ${type}: choose another one`)
        return replace(row.id, tool)
      })
    },
    async findTool(tenant, id) {
      return toTool(find(tenant, id))
    },
    async listTools(tenant, query) {
      return pageOf(db, tools, tenant, asked(query), query).map(toTool)
    },
    async countTools(tenant, query) {
      const where = and(eq(tools.tenant, tenant), asked(query))
      return orm.select({ n: count() }).from(tools).where(where).get()!.n
    },
    async editTool(tenant, id, edit) {
      return db.write(() => {
        const tool = edit(withoutId(find(tenant, id)))
        const other = byName.get({ tenant, name: nameOf(tool) })
        if (other && other.id !== id) throw new Conflict(`Another tool is called ${other.name}: ${other.id}`)
        return replace(id, tool)
      })
    },
    async deleteTool(tenant, id) {
      await db.write(() => {
        find(tenant, id)
        orm.delete(tools).where(eq(tools.id, id)).run()
      })
    },
    async toolsOfAgent(tenant, agentId, page) {
      findAgent(tenant, agentId)
      const held = orm.select({ id: agentTools.toolId }).from(agentTools).where(eq(agentTools.agentId, agentId))
      return pageOf(db, tools, tenant, inArray(tools.id, held), page).map(toTool)
    },
    async attachTool(tenant, agentId, toolId) {
      await db.write(() => {
        const agent = findAgent(tenant, agentId)
        const tool = find(tenant, toolId)
        orm.insert(agentTools).values({ agentId, toolId }).onConflictDoNothing().run()
        if (tool.definition.default_requires_approval) setRule(agent, tool.name, true)
      })
    },
    async detachTool(tenant, agentId, toolId) {
      await db.write(() => {
        findAgent(tenant, agentId)
        find(tenant, toolId)
        orm
          .delete(agentTools)
          .where(and(eq(agentTools.agentId, agentId), eq(agentTools.toolId, toolId)))
          .run()
      })
    },
    async setApproval(tenant, agentId, toolName, required) {
      await db.write(() => {
        const agent = findAgent(tenant, agentId)
        if (!heldNamed.get({ agentId, name: toolName })) throw new NotFound('tool of this agent', toolName)
        setRule(agent, toolName, required)
      })
    },
    async toolEnvironment(tenant, agentId) {
      return findAgent(tenant, agentId).secrets
    },
  }
}

const withoutId = ({ name, definition }: ToolRow): NewTool => ({ ...definition, name })
const toTool = (row: ToolRow): Tool => ({ ...withoutId(row), id: row.id })

/** By what a server's tool is known again. */
const originOf = ({ metadata_: metadata }: Pick<NewTool, 'metadata_'>) => JSON.stringify(metadata)

function columns({ name, ...definition }: NewTool) {
  return { name: nameOf({ name }), definition }
}

function nameOf({ name }: Pick<NewTool, 'name'>): string {
  if (!name) throw new Error('A tool has no name')
  return name
}

const named = (tool: NewTool, name: string): NewTool => ({ ...tool, name, json_schema: { ...tool.json_schema, name } })

/** The tool as it comes, with what a user has set of the one that is there. */
function withSettings(tool: NewTool, { definition }: ToolRow): NewTool {
  const { return_char_limit, default_requires_approval, enable_parallel_execution } = definition
  return { ...tool, return_char_limit, default_requires_approval, enable_parallel_execution }
}

const field = (key: keyof ToolRow['definition']) => sql<string>`json_extract(${tools.definition}, ${`$.${key}`})`

/** The filters of groups.md §4.4.2. */
function asked(query: ListToolsQuery): SQL | undefined {
  const ofLetta = like(field('tool_type'), 'letta%')
  return and(
    query.name === undefined ? undefined : eq(tools.name, query.name),
    query.names && inArray(tools.name, query.names),
    query.tool_ids && inArray(tools.id, query.tool_ids),
    query.search === undefined ? undefined : contains(tools.name, query.search),
    query.tool_types && inArray(field('tool_type'), query.tool_types),
    query.exclude_tool_types && not(inArray(field('tool_type'), query.exclude_tool_types)),
    query.return_only_letta_tools ? ofLetta : undefined,
    query.exclude_letta_tools ? not(ofLetta) : undefined,
  )
}
