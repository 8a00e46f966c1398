import { sql } from 'drizzle-orm'
import { blob, index, integer, primaryKey, sqliteTable as table, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { AgentState } from '../wire/agent.ts'
import type { Block } from '../wire/block.ts'
import type { Group } from '../wire/group.ts'
import type { Scope } from '../wire/key.ts'
import type { RunStatus, StopReasonType } from '../wire/run.ts'
import type { Feedback } from '../wire/step.ts'
import type { Tool } from '../wire/tool.ts'
import type { Admission, CallPart, Part, Recorded, RunError } from './store.ts'

/*
 * Every table, once. Times are ms since 1970. `seq` is the order in which rows were stored: lists and histories follow it,
 * never a time or an id (design §5 row 35). What only travels in and out, and is never searched, is one JSON column.
 */

const seq = () => integer('seq').primaryKey({ autoIncrement: true })
const id = () => text('id').notNull().unique()
const tenant = () =>
  text('tenant')
    .notNull()
    .references(() => tenants.id)
const time = (name: string) => integer(name).notNull()
const flag = (name: string) => integer(name, { mode: 'boolean' }).notNull().default(false)
/** Left out of lists and counts when true; null where nobody said. */
const hidden = () => integer('hidden', { mode: 'boolean' })
const json = <T>(name: string) => text(name, { mode: 'json' }).$type<T>()

export const tenants = table('tenants', { id: text('id').primaryKey(), createdAt: time('created_at') })

/** An API key is kept as its SHA-256, in hex. One that is revoked stays: where there was a key, no door is open again. */
export const keys = table(
  'keys',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    name: text('name').notNull(),
    scope: text('scope').$type<Scope>().notNull(),
    hash: text('hash').notNull().unique(),
    /** Null: what the settings say. */
    requestsPerMinute: integer('requests_per_minute'),
    tokensPerDay: integer('tokens_per_day'),
    createdAt: time('created_at'),
    lastUsedAt: integer('last_used_at'),
    expiresAt: integer('expires_at'),
    revokedAt: integer('revoked_at'),
  },
  (t) => [index('keys_tenant').on(t.tenant, t.seq)],
)

/** What a key has spent on a day (days since 1970, UTC), counted as its runs end. */
export const spending = table(
  'spending',
  { key: text('key').notNull(), day: integer('day').notNull(), tokens: integer('tokens').notNull() },
  (t) => [primaryKey({ columns: [t.key, t.day] })],
)

/** What the server made up for itself once, and has to know again after a restart. */
export const secrets = table('secrets', { name: text('name').primaryKey(), value: text('value').notNull() })

/** What of an agent only travels in and out. */
export type AgentSettings = Pick<
  AgentState,
  | 'agent_type'
  | 'system'
  | 'llm_config'
  | 'model'
  | 'model_settings'
  | 'embedding'
  | 'embedding_config'
  | 'compaction_settings'
  | 'response_format'
  | 'tool_rules'
  | 'description'
  | 'metadata'
  | 'project_id'
  | 'template_id'
  | 'base_template_id'
  | 'message_buffer_autoclear'
  | 'enable_sleeptime'
  | 'timezone'
  | 'max_files_open'
  | 'per_file_view_window_char_limit'
  | 'last_run_completion'
  | 'last_run_duration_ms'
  | 'last_stop_reason'
>

export const agents = table(
  'agents',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    name: text('name').notNull(),
    settings: json<AgentSettings>('settings').notNull(),
    /** What its tools find in their environment; never shown. */
    secrets: json<Record<string, string>>('secrets').notNull(),
    hidden: hidden(),
    createdAt: time('created_at'),
    updatedAt: time('updated_at'),
  },
  (t) => [index('agents_tenant').on(t.tenant, t.seq)],
)

export const agentTags = table(
  'agent_tags',
  {
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    tag: text('tag').notNull(),
  },
  (t) => [primaryKey({ columns: [t.agentId, t.tag] }), index('agent_tags_tag').on(t.tag)],
)

/** What only a hosted Letta knows of a block. */
export type BlockHosted = Pick<
  Block,
  'template_name' | 'is_template' | 'template_id' | 'base_template_id' | 'deployment_id' | 'entity_id' | 'preserve_on_migration'
>

export const blocks = table(
  'blocks',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    label: text('label'),
    value: text('value').notNull(),
    limit: integer('limit').notNull(),
    description: text('description'),
    readOnly: flag('read_only'),
    metadata: json<Record<string, unknown>>('metadata'),
    tags: json<string[]>('tags'),
    projectId: text('project_id'),
    hosted: json<BlockHosted>('hosted').notNull(),
    hidden: hidden(),
    createdAt: time('created_at'),
    updatedAt: time('updated_at'),
  },
  (t) => [index('blocks_tenant').on(t.tenant, t.seq)],
)

export const agentBlocks = table(
  'agent_blocks',
  {
    seq: seq(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    blockId: text('block_id')
      .notNull()
      .references(() => blocks.id, { onDelete: 'cascade' }),
  },
  (t) => [uniqueIndex('agent_blocks_pair').on(t.agentId, t.blockId), index('agent_blocks_block').on(t.blockId)],
)

export const tools = table(
  'tools',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    name: text('name').notNull(),
    /** Everything of a wire Tool but its id and name. */
    definition: json<Omit<Tool, 'id' | 'name'>>('definition').notNull(),
    createdAt: time('created_at'),
  },
  (t) => [uniqueIndex('tools_name').on(t.tenant, t.name)],
)

export const agentTools = table(
  'agent_tools',
  {
    seq: seq(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    toolId: text('tool_id')
      .notNull()
      .references(() => tools.id, { onDelete: 'cascade' }),
  },
  (t) => [uniqueIndex('agent_tools_pair').on(t.agentId, t.toolId), index('agent_tools_tool').on(t.toolId)],
)

export const groups = table(
  'groups',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    managerType: text('manager_type').$type<Group['manager_type']>().notNull(),
    managerAgentId: text('manager_agent_id').references(() => agents.id, { onDelete: 'restrict' }),
    description: text('description').notNull(),
    projectId: text('project_id'),
    hidden: hidden(),
    terminationToken: text('termination_token'),
    maxTurns: integer('max_turns'),
    sleeptimeAgentFrequency: integer('sleeptime_agent_frequency'),
    turnsCounter: integer('turns_counter'),
    lastProcessedMessageId: text('last_processed_message_id'),
    maxMessageBufferLength: integer('max_message_buffer_length'),
    minMessageBufferLength: integer('min_message_buffer_length'),
    createdAt: time('created_at'),
  },
  // An agent manages one group at most (groups.md G-39).
  (t) => [index('groups_tenant').on(t.tenant, t.seq), uniqueIndex('groups_manager').on(t.managerAgentId)],
)

/** Who speaks, in which order; an agent may stand in it more than once. */
export const groupMembers = table(
  'group_members',
  {
    groupId: text('group_id')
      .notNull()
      .references(() => groups.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
  },
  (t) => [primaryKey({ columns: [t.groupId, t.position] }), index('group_members_agent').on(t.agentId)],
)

/** Blocks that a group shares among its members and its manager. */
export const groupBlocks = table(
  'group_blocks',
  {
    seq: seq(),
    groupId: text('group_id')
      .notNull()
      .references(() => groups.id, { onDelete: 'cascade' }),
    blockId: text('block_id')
      .notNull()
      .references(() => blocks.id, { onDelete: 'cascade' }),
  },
  (t) => [uniqueIndex('group_blocks_pair').on(t.groupId, t.blockId), index('group_blocks_block').on(t.blockId)],
)

export const messageRoles = ['system', 'user', 'assistant', 'tool', 'approval', 'summary'] as const

export const messages = table(
  'messages',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    /** Messages outlive their group (groups.md §2.9). */
    groupId: text('group_id'),
    runId: text('run_id').references(() => runs.id, { onDelete: 'set null' }),
    stepId: text('step_id'),
    role: text('role', { enum: messageRoles }).notNull(),
    parts: json<Part[]>('parts').notNull(),
    name: text('name'),
    senderId: text('sender_id'),
    otid: text('otid'),
    isErr: flag('is_err'),
    date: time('date'),
    /** It is part of what its agent's model is shown. */
    inContext: integer('in_context', { mode: 'boolean' }).notNull().default(true),
    /** A summary's: the `seq` of the row that it stands behind in its agent's context. */
    place: integer('place'),
    /** What a member heard of others; the group's transcript lists the original only (design §5 row 19). */
    heard: flag('heard'),
  },
  (t) => [
    index('messages_agent').on(t.agentId, t.seq),
    index('messages_context')
      .on(t.agentId, t.seq)
      .where(sql`in_context = 1`),
    index('messages_group')
      .on(t.groupId, t.seq)
      .where(sql`heard = 0`),
    index('messages_run').on(t.runId, t.seq),
    index('messages_tenant')
      .on(t.tenant, t.seq)
      .where(sql`heard = 0`),
  ],
)

export const runs = table(
  'runs',
  {
    /** The run's number: how the log knows it. */
    seq: seq(),
    id: id(),
    tenant: tenant(),
    agentId: text('agent_id').notNull(),
    groupId: text('group_id'),
    status: text('status').$type<RunStatus>().notNull(),
    stopReason: text('stop_reason').$type<StopReasonType>(),
    /** Which rule of its manager ended it, e.g. `max_turns`. */
    endedBy: text('ended_by'),
    background: flag('background'),
    runType: text('run_type').notNull(),
    /** What the run was admitted with; a replay reads this and no table that others change (design §4). */
    admission: json<Admission>('admission').notNull(),
    error: json<RunError>('error'),
    /** The lease under which it runs; null where no process works on it. */
    epoch: integer('epoch'),
    /** How often a process died over the step that it is at. */
    crashes: integer('crashes').notNull().default(0),
    /** The order in which runs began to work, not that of their numbers: some have waited in line. */
    begun: integer('begun'),
    /** The key that pays for its tokens; null where no key was needed. */
    payer: text('payer'),
    createdAt: time('created_at'),
    completedAt: integer('completed_at'),
    /** ms to the first frame of an agent, and to the end. */
    firstFrameMs: integer('first_frame_ms'),
    durationMs: integer('duration_ms'),
  },
  (t) => [
    index('runs_tenant').on(t.tenant, t.seq),
    index('runs_agent').on(t.agentId, t.seq),
    index('runs_group').on(t.groupId, t.seq),
    index('runs_begun').on(t.begun),
    index('runs_group_begun').on(t.groupId, t.begun),
    index('runs_open')
      .on(t.status, t.tenant)
      .where(sql`status in ('created', 'running')`),
  ],
)

/**
 * The process that may write: its row is made when it opens the file, and taken away by the next one that does. A number is never
 * given again, so a process that slept through that knows by it that its time is over (faults.md F100).
 */
export const leases = table('leases', {
  epoch: integer('epoch').primaryKey({ autoIncrement: true }),
  createdAt: time('created_at'),
})

/** Requests that say by a key which one they are: sent again, they lead to the same run (design §5 row 26). */
export const requestKeys = table(
  'request_keys',
  {
    tenant: tenant(),
    /** The group or agent that was talked to. */
    target: text('target').notNull(),
    key: text('key').notNull(),
    /** SHA-256 of what was asked. */
    hash: text('hash').notNull(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
    createdAt: time('created_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.target, t.key] }),
    index('request_keys_age').on(t.createdAt),
    index('request_keys_run').on(t.runId),
  ],
)

/** Who is being talked to: a group and its members, or an agent. One run at a time may hold each (streaming.md §8.2). */
export const busy = table(
  'busy',
  {
    target: text('target').primaryKey(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
  },
  (t) => [index('busy_run').on(t.runId)],
)

/** The journal: each finished model call of a run, found again by its turn and its place in it. */
export const steps = table(
  'steps',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
    agentId: text('agent_id').notNull(),
    turn: integer('turn').notNull(),
    place: integer('place').notNull(),
    /** A model call, or an act of the manager's that no model made: it is in the journal, and no step to anybody else. */
    kind: text('kind', { enum: ['call', 'act'] }).notNull(),
    status: text('status', { enum: ['success', 'failed', 'cancelled'] }).notNull(),
    stopReason: text('stop_reason').$type<StopReasonType>(),
    recorded: json<Recorded>('recorded').notNull(),
    /** What somebody thought of it. */
    feedback: text('feedback').$type<Feedback>(),
    tags: json<string[]>('tags'),
    createdAt: time('created_at'),
  },
  (t) => [
    index('steps_tenant').on(t.tenant, t.seq),
    index('steps_run').on(t.runId, t.seq),
    uniqueIndex('steps_place')
      .on(t.runId, t.turn, t.place, t.kind)
      .where(sql`status = 'success'`),
  ],
)

/** Tool calls that wait for an answer from outside: one row for each step that paused (streaming.md §7). */
export const approvals = table(
  'approvals',
  {
    seq: seq(),
    /** The message that asks. */
    id: id(),
    tenant: tenant(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
    stepId: text('step_id').notNull(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    groupId: text('group_id'),
    /** The calls that wait. */
    calls: json<CallPart[]>('calls').notNull(),
    /** Calls of the same answer that wait with them, and need no leave. */
    allowed: json<CallPart[]>('allowed').notNull(),
    status: text('status', { enum: ['pending', 'answered', 'cancelled'] }).notNull(),
    /** The run that its answer began. */
    answeredBy: text('answered_by'),
    expiresAt: integer('expires_at'),
  },
  (t) => [
    index('approvals_agent').on(t.agentId, t.status),
    index('approvals_group').on(t.groupId, t.status),
    index('approvals_run').on(t.runId),
  ],
)

/**
 * The event log's head: one row for each group commit, with the new frames of all runs in it. A row for each frame would
 * dirty a page for each live run (performance.md §5). `frames` is what goes to a reader, as it goes.
 */
export const log = table('log', {
  id: integer('id').primaryKey(),
  /** `[run number, first seq, count]` for each run, in the order in which their frames stand in `frames`. */
  runs: json<[number, number, number][]>('runs').notNull(),
  frames: text('frames').notNull(),
})

/** The event log's body: consecutive frames of one run, moved here from the head in pieces. */
export const segments = table(
  'segments',
  {
    run: integer('run')
      .notNull()
      .references(() => runs.seq, { onDelete: 'cascade' }),
    first: integer('first').notNull(),
    last: integer('last').notNull(),
    /** Its last frame is the run's last. */
    final: flag('final'),
    frames: text('frames').notNull(),
  },
  (t) => [primaryKey({ columns: [t.run, t.first] })],
)

/** Up to which row the words of a table are in its search index; those of the rows behind it follow, many at once. */
export const searchMarks = table('search_marks', { words: text('words').primaryKey(), seq: integer('seq').notNull() })

/** What agents put away, to find it again by a search. */
export const passages = table(
  'passages',
  {
    seq: seq(),
    id: id(),
    tenant: tenant(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id, { onDelete: 'cascade' }),
    text: text('text').notNull(),
    tags: json<string[]>('tags').notNull(),
    /** 32-bit floats, scaled to length 1; null until a model has read the text. */
    vector: blob('vector', { mode: 'buffer' }),
    vectorModel: text('vector_model'),
    createdAt: time('created_at'),
  },
  (t) => [index('passages_agent').on(t.agentId, t.seq)],
)
