import type { AgentState, CreateAgent, ListAgentsQuery, UpdateAgent } from '../wire/agent.ts'
import type { Block, CreateBlock, ListBlocksQuery, UpdateBlock } from '../wire/block.ts'
import type { ContentPart } from '../wire/content.ts'
import type { Group, GroupCreate, GroupUpdate, ListGroupsQuery } from '../wire/group.ts'
import type { PageQuery } from '../wire/page.ts'
import type { SendRequest } from '../wire/request.ts'
import type { ListRunsQuery, Run, RunStatus, Step, StopReasonType } from '../wire/run.ts'
import type { Tool, ToolRule } from '../wire/tool.ts'

/**
 * What the rest of the house knows of what is stored. A second dialect is a second maker of this interface. Every verb that a
 * route may ask for takes the tenant first; a find throws NotFound for what is unknown or another tenant's. Each verb is one
 * transaction.
 */
export interface Store extends Agents, Blocks, Tools, Groups, Messages, Runs, Frames, Tenants {
  /** True when a write would go through; for the readiness check. */
  ready(): Promise<boolean>
  close(): Promise<void>
}

export interface Tenants {
  /** The tenant whose key has this SHA-256 (hex), if any. */
  tenantOfKey(hash: string): Promise<string | undefined>
  /** Makes the tenant where it is missing. */
  ensureTenant(tenant: string): Promise<void>
}

/** A new agent's request with everything decided that the store cannot know. */
export interface NewAgent {
  id: string
  name: string
  system: string
  toolRules: ToolRule[] | null
  create: CreateAgent
  model: { handle: string; name: string; providerType: string; endpoint: string; contextWindow: number }
  /** Names of built-in tools to attach beside `tool_ids`; those that are not there are left out. */
  baseTools: string[]
  /** The agent's first message from its finished state: its compiled system prompt. */
  firstMessage: (agent: AgentState) => MessageRow
}

export interface Agents {
  createAgent(tenant: string, agent: NewAgent): Promise<AgentState>
  findAgent(tenant: string, id: string): Promise<AgentState>
  listAgents(tenant: string, query: ListAgentsQuery): Promise<AgentState[]>
  countAgents(tenant: string, query: ListAgentsQuery): Promise<number>
  /** `model` is given when the update names another model. */
  updateAgent(tenant: string, id: string, update: UpdateAgent, model?: NewAgent['model']): Promise<AgentState>
  /** @throws {Conflict} while it manages a group, {RunBusy} while it speaks */
  deleteAgent(tenant: string, id: string): Promise<void>
}

export interface Blocks {
  createBlock(tenant: string, create: CreateBlock): Promise<Block>
  findBlock(tenant: string, id: string): Promise<Block>
  listBlocks(tenant: string, query: ListBlocksQuery): Promise<Block[]>
  /** The agent's block of that label; there is one at most. */
  findAgentBlock(tenant: string, agentId: string, label: string): Promise<Block>
  blocksOfAgent(tenant: string, agentId: string, page: PageQuery): Promise<Block[]>
  countBlocks(tenant: string, query: ListBlocksQuery): Promise<number>
  updateBlock(tenant: string, id: string, update: UpdateBlock): Promise<Block>
  deleteBlock(tenant: string, id: string): Promise<void>
  /** Idempotent. @throws {Conflict} when the agent has another block of that label */
  attachBlock(tenant: string, agentId: string, blockId: string): Promise<void>
  /** @throws {NotFound} when it is not attached */
  detachBlock(tenant: string, agentId: string, blockId: string): Promise<void>
  /**
   * Sets a block's value to what `edit` makes of the value it has in that same transaction, so two editors never lose an
   * update. Whatever `edit` throws leaves the block as it was.
   */
  editBlock(tenant: string, blockId: string, edit: (block: Block) => string): Promise<Block>
}

export interface Tools {
  /** Makes or updates the built-in tools, by name. */
  ensureTools(tenant: string, tools: Omit<Tool, 'id'>[]): Promise<void>
}

export interface Groups {
  createGroup(tenant: string, create: GroupCreate): Promise<Group>
  findGroup(tenant: string, id: string): Promise<Group>
  listGroups(tenant: string, query: ListGroupsQuery): Promise<Group[]>
  countGroups(tenant: string): Promise<number>
  updateGroup(tenant: string, id: string, update: GroupUpdate): Promise<Group>
  /** Agents, blocks and messages stay. @throws {RunBusy} while it is answering */
  deleteGroup(tenant: string, id: string): Promise<void>
  /** Links the block to the group, its members and its manager; idempotent (groups.md G-08). */
  attachGroupBlock(tenant: string, groupId: string, blockId: string): Promise<void>
  detachGroupBlock(tenant: string, groupId: string, blockId: string): Promise<void>
  /** The groups that the agent is a member of. */
  groupsOfAgent(tenant: string, agentId: string, query: ListGroupsQuery): Promise<Group[]>
}

export type MessageRole = 'system' | 'user' | 'assistant' | 'tool' | 'approval' | 'summary'

/** A part of a stored message: as on the wire, but a call keeps its arguments as the model wrote them. */
export type Part = Exclude<ContentPart, { type: 'tool_call' }> | CallPart
export interface CallPart {
  type: 'tool_call'
  id: string
  name: string
  arguments: string
  signature?: string | null | undefined
}

/** A stored message; it becomes one or more LettaMessages (streaming.md §6.2). */
export interface MessageRow {
  id: string
  agentId: string
  groupId: string | null
  runId: string | null
  stepId: string | null
  role: MessageRole
  parts: Part[]
  name: string | null
  senderId: string | null
  otid: string | null
  isErr: boolean
  /** ms since 1970 */
  date: number
  /** Its agent heard it of another one; the group's and the run's lists leave it out. */
  heard: boolean
}

/** An agent's history, or what of it belongs to a group; a group's transcript; what a run was asked and said. */
export type MessageScope =
  | { agent: string; group?: string | undefined }
  | { agent?: undefined; group: string }
  | { run: string }

export interface Messages {
  /** Rows in the asked order. @throws {NotFound} for an unknown cursor */
  listMessages(tenant: string, of: MessageScope, page: PageQuery): Promise<MessageRow[]>
  /** What an agent's model is shown: oldest first. */
  contextOf(agentId: string): Promise<MessageRow[]>
  /** Replaces a row's parts, e.g. the compiled system prompt. */
  setParts(messageId: string, parts: Part[]): Promise<void>
  findGroupMessage(tenant: string, groupId: string, messageId: string): Promise<MessageRow>
  /** Deletes a group's rows, with what its members heard in it. @throws {RunBusy} while it is answering */
  resetGroup(tenant: string, groupId: string): Promise<void>
  /** The agent's context shrinks to its first row; nothing is deleted. @throws {RunBusy} */
  resetAgent(tenant: string, agentId: string): Promise<void>
}

/** What a run was admitted with: all that its manager may depend on. */
export interface Admission {
  request: Omit<SendRequest, 'messages'>
  /** `agent`: an agent talked to directly. */
  manager: Group['manager_type'] | 'agent'
  description: string
  maxTurns: number | null
  /** In speaking order; an agent may be there twice. */
  members: { id: string; name: string }[]
}

export interface RunRow {
  /** The run's number in the log. */
  seq: number
  id: string
  tenant: string
  agentId: string
  groupId: string | null
  status: RunStatus
  stopReason: StopReasonType | null
  admission: Admission
  error: RunError | null
  createdAt: number
}

/** How a failed run looks to one who asked for JSON. */
export interface RunError {
  status: number
  body: Record<string, unknown>
  error_type: string
  message: string
}

export interface NewRun {
  id: string
  agentId: string
  groupId: string | null
  background: boolean
  runType: string
  admission: Admission
  createdAt: number
}

export interface RunEnd {
  status: RunStatus
  stopReason: StopReasonType
  endedBy: string | null
  error: RunError | null
  completedAt: number
  firstFrameMs: number | null
  durationMs: number
}

/** A finished step as the journal holds it. */
export interface StepRow {
  id: string
  tenant: string
  runId: string
  agentId: string
  turn: number
  place: number
  status: 'success' | 'failed'
  stopReason: StopReasonType | null
  recorded: Recorded
  createdAt: number
}

/** What a replay needs of a step, and what its wire form shows beside the columns. */
export interface Recorded {
  /** Why the turn ends here; null when it goes on. */
  stop: StopReasonType | null
  /** What others hear of it. */
  said: string[]
  model: string
  handle: string
  providerType: string
  endpoint: string
  contextWindow: number
  usage: Usage
  error?: { error_type: string; message: string }
}

/** Token sums; null where no provider said anything. */
export interface Usage {
  promptTokens: number
  completionTokens: number
  totalTokens: number
  cachedInputTokens: number | null
  cacheWriteTokens: number | null
  reasoningTokens: number | null
}

export interface Runs {
  /**
   * Stores the run as `running`, its inputs and its first frames, and takes its targets.
   *
   * @returns the run's number
   * @throws {RunBusy} when another run has one of the targets; nothing is stored
   */
  admitRun(
    tenant: string,
    run: NewRun,
    targets: string[],
    inputs: MessageRow[],
    frames: string[],
  ): Promise<{ seq: number; logId: number }>
  findRun(tenant: string, id: string): Promise<RunRow>
  showRun(tenant: string, id: string): Promise<Run>
  listRuns(tenant: string, query: ListRunsQuery): Promise<Run[]>
  listSteps(tenant: string, runId: string, page: PageQuery): Promise<Step[]>
  /** The tokens of each of its model calls. */
  usageOf(tenant: string, runId: string): Promise<Usage[]>
  /** Runs that no process works on: at start-up, all that are not ended. */
  openRuns(): Promise<RunRow[]>
  /** The run's finished steps, in order. */
  journalOf(runId: string): Promise<StepRow[]>
  /** A step, the rows it made and the run's frames up to its last, together. @returns the log row's id, 0 when there were no frames */
  commitStep(step: StepRow, rows: MessageRow[], frames: NewFrames | null): Promise<number>
  /**
   * Ends a run, once, with its last frames; frees its targets.
   *
   * @returns false when it had ended already; then nothing is changed
   */
  endRun(runId: string, end: RunEnd, last: Segment): Promise<boolean>
}

/** Consecutive frames of a run, `first` and on. */
export interface NewFrames {
  run: number
  first: number
  frames: string[]
}

/** Consecutive frames of a run as one text. */
export interface Segment {
  run: number
  first: number
  last: number
  final: boolean
  frames: string
}

export interface LogRow {
  id: number
  runs: [run: number, first: number, count: number][]
  frames: string
}

export interface Frames {
  /** One group commit. @returns the log row's id */
  appendFrames(batch: NewFrames[]): Promise<number>
  /** Moves a run's frames from the log to its segments. */
  seal(segments: Segment[]): Promise<void>
  /** The log's rows below `logId` are needed no more. */
  trimLog(logId: number): Promise<void>
  /** The segment that holds the frame after `after`, or nothing. */
  readSegment(run: number, after: number): Promise<Segment | undefined>
  lastSealed(run: number): Promise<{ last: number; final: boolean } | undefined>
  /** At start-up: what was committed and not sealed, oldest first. */
  unsealed(): Promise<LogRow[]>
}
