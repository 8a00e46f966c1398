import type { AgentState, CreateAgent, ListAgentsQuery, UpdateAgent } from '../wire/agent.ts'
import type { Block, CreateBlock, ListBlocksQuery, UpdateBlock } from '../wire/block.ts'
import type { ContentPart, ToolReturnContent } from '../wire/content.ts'
import type { Group, GroupCreate, GroupUpdate, ListGroupsQuery } from '../wire/group.ts'
import type { CreateKey, Key, ListKeysQuery, Scope } from '../wire/key.ts'
import type { Approval } from '../wire/message.ts'
import type { ListTagsQuery, PageQuery } from '../wire/page.ts'
import type { MessageCreate, SendRequest } from '../wire/request.ts'
import type { ListRunsQuery, Run, RunStatus, Step, StopReasonType } from '../wire/run.ts'
import type { ListStepsQuery, RunMetrics, StepFeedback, StepMetrics } from '../wire/step.ts'
import type { ListToolsQuery, Tool, ToolRule } from '../wire/tool.ts'

/**
 * What the rest of the house knows of what is stored. A second dialect is a second maker of this interface. Every verb that a
 * route may ask for takes the tenant first; a find throws NotFound for what is unknown or another tenant's. Each verb is one
 * transaction.
 */
export interface Store
  extends
    Agents,
    Blocks,
    Memory,
    Tools,
    Groups,
    Messages,
    Searches,
    Passages,
    Runs,
    GroupRuns,
    Steps,
    Tags,
    Targets,
    Frames,
    Tenants,
    Keys {
  /** True when a write would go through, false once closed; for the readiness check. @throws {StorageTrouble} */
  ready(): Promise<boolean>
  /** How much there is of the file, its write-ahead log, and the head of the event log. */
  sizes(): Promise<{ fileBytes: number; walBytes: number; logRows: number }>
  /** Aborts when what is stored cannot be trusted any more; the reason is an Error with a line for the operator. */
  failed: AbortSignal
  close(): Promise<void>
}

/** The one tenant of a server without keys, and of its password (design §5 rows 28, 32). */
export const DEFAULT_TENANT = 'org-00000000-0000-4000-8000-000000000000'

export interface Tenants {
  /** Makes the tenant where it is missing. */
  ensureTenant(tenant: string): Promise<void>
  /** A new tenant. Its first key is made with `createKey`, its tools at the next start of the server. @returns its id */
  createTenant(): Promise<string>
  listTenants(): Promise<{ id: string; createdAt: number }[]>
  /** A secret of the server's own: made at the first call, the same ever after. */
  secretOf(name: string): Promise<string>
}

/** A key as the door knows it. */
export interface KeyRow {
  id: string
  tenant: string
  name: string
  scope: Scope
  /** Null: what the settings say. */
  requestsPerMinute: number | null
  tokensPerDay: number | null
  lastUsedAt: number | null
}

export interface Keys {
  /** Stores a new key by its SHA-256 (hex); the key itself is made, shown and forgotten by the caller (`newKey()` of auth/keyring.ts). */
  createKey(tenant: string, hash: string, create: CreateKey): Promise<Key>
  /** The tenant's keys, with those that are revoked. */
  listKeys(tenant: string, query: ListKeysQuery): Promise<Key[]>
  /** From now on it opens nothing, nor do its tickets. The row stays. @throws {NotFound} */
  revokeKey(tenant: string, id: string): Promise<Key>
  /** True once any key was ever made, by any tenant. */
  anyKey(): Promise<boolean>
  /** The key with this SHA-256, or with this id, unless it is revoked or has expired. */
  validKey(by: { hash: string } | { id: string }): Promise<KeyRow | undefined>
  /** Notes that it was used. */
  useKey(id: string, at: number): Promise<void>
  /** What the runs that it pays for have spent; each counts on the day on which it ends. @param day since 1970, UTC */
  tokensSpent(id: string, day: number): Promise<number>
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

/** An agent as its steps need it. */
export type Speaker = Omit<
  AgentState,
  'memory' | 'tags' | 'message_ids' | 'managed_group' | 'multi_agent_group' | 'pending_approval'
>

export interface Agents {
  createAgent(tenant: string, agent: NewAgent): Promise<AgentState>
  findAgent(tenant: string, id: string): Promise<AgentState>
  /** Half the queries, and none that grows with its history. */
  findSpeaker(tenant: string, id: string): Promise<Speaker>
  /** Where no more is wanted, a seventh of the queries. */
  findAgentName(tenant: string, id: string): Promise<string>
  listAgents(tenant: string, query: ListAgentsQuery): Promise<AgentState[]>
  /** Those that have it. */
  agentsOfBlock(tenant: string, blockId: string, page: PageQuery): Promise<AgentState[]>
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

export type NewTool = Omit<Tool, 'id'>

/** One change of what an agent remembers. */
export type MemoryChange =
  | { kind: 'create'; block: CreateBlock }
  | { kind: 'update'; blockId: string; update: { label?: string; value?: string; description?: string } }
  | { kind: 'detach'; blockId: string }

export interface Memory {
  /**
   * Makes all the changes that `plan` asks for, or none: `plan` sees the agent's blocks as they are in that same transaction.
   * What is made is attached to the agent. Whatever `plan` throws leaves everything as it was.
   *
   * @throws {Conflict} when an agent would hold two blocks of one label
   */
  changeMemory(tenant: string, agentId: string, plan: (blocks: Block[]) => MemoryChange[]): Promise<void>
}

export interface Tools {
  /** Makes or updates the built-in tools, by name; what a user has set of them stays, and so does a custom tool of that name. */
  ensureTools(tenant: string, tools: NewTool[]): Promise<Tool[]>
  /**
   * The same for the tools of an MCP server, known again by `metadata_.mcp`. One whose name another tool has is called
   * `<server>_<name>`.
   *
   * @returns those that have neither name free; they are left out
   */
  ensureServerTools(tenant: string, server: string, tools: NewTool[]): Promise<NewTool[]>
  /** Makes the tool, or replaces the one of that name. @throws {Conflict} when that one is not custom */
  saveTool(tenant: string, tool: NewTool): Promise<Tool>
  findTool(tenant: string, id: string): Promise<Tool>
  listTools(tenant: string, query: ListToolsQuery): Promise<Tool[]>
  countTools(tenant: string, query: ListToolsQuery): Promise<number>
  /**
   * Sets a tool to what `edit` makes of it, in one transaction; whatever `edit` throws leaves it as it was.
   *
   * @throws {Conflict} when another tool has its new name
   */
  editTool(tenant: string, id: string, edit: (tool: NewTool) => NewTool): Promise<Tool>
  /** It leaves its agents, too. */
  deleteTool(tenant: string, id: string): Promise<void>
  toolsOfAgent(tenant: string, agentId: string, page: PageQuery): Promise<Tool[]>
  /** Idempotent. A tool that wants approval by default gets its rule. */
  attachTool(tenant: string, agentId: string, toolId: string): Promise<void>
  /** Idempotent. */
  detachTool(tenant: string, agentId: string, toolId: string): Promise<void>
  /** Adds or removes the rule that this tool of the agent's waits for approval. @throws {NotFound} when it has no such tool */
  setApproval(tenant: string, agentId: string, toolName: string, required: boolean): Promise<void>
  /** What the agent's tools find in their environment: never shown. */
  toolEnvironment(tenant: string, agentId: string): Promise<Record<string, string>>
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
export type Part =
  | Exclude<ContentPart, { type: 'tool_call' | 'tool_return' }>
  | CallPart
  | ReturnPart
  | { type: 'approval_response'; approvals: Approval[] }

export interface ReturnPart extends ToolReturnContent {
  stdout?: string[]
  stderr?: string[]
  /** Of a call that speaks: it is not shown. */
  speaks?: string
}

export interface CallPart {
  type: 'tool_call'
  id: string
  name: string
  arguments: string
  signature?: string | null | undefined
  /** The argument that is what it says: the call is shown as an assistant message. */
  speaks?: string
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

/**
 * An agent's history, or what of it belongs to a group; a group's transcript; what a run was asked and said; what a step said; what
 * was said to and by all of the tenant's agents. A step is looked for among the messages of its agent. But for an agent's history, each utterance once.
 */
export type MessageScope =
  | { agent: string; group?: string | undefined }
  | { agent?: undefined; group: string }
  | { run: string }
  | { step: string; of: string }
  | { all: true }

export interface Messages {
  /** Rows in the asked order. @throws {NotFound} for an unknown cursor */
  listMessages(tenant: string, of: MessageScope, page: PageQuery): Promise<MessageRow[]>
  /** What an agent's model is shown: oldest first, but a summary right behind the system prompt. */
  contextOf(agentId: string): Promise<MessageRow[]>
  /**
   * The evicted rows leave the agent's context, and the summary stands behind its first row, the system prompt. Nothing is deleted.
   *
   * @throws {Conflict} when some of them are not in the context any more; nothing is changed
   */
  compactContext(tenant: string, agentId: string, evicted: string[], summary: MessageRow): Promise<void>
  /** Replaces a row's parts, e.g. the compiled system prompt. */
  setParts(messageId: string, parts: Part[]): Promise<void>
  findMessage(tenant: string, messageId: string): Promise<MessageRow>
  /** The run that an input with this otid began. */
  runOfInput(tenant: string, agentId: string, otid: string): Promise<string | undefined>
  findGroupMessage(tenant: string, groupId: string, messageId: string): Promise<MessageRow>
  /** Deletes a group's rows, with what its members heard in it. @throws {RunBusy} while it is answering */
  resetGroup(tenant: string, groupId: string): Promise<void>
  /** The agent's context shrinks to its first row; nothing is deleted. @throws {RunBusy} */
  resetAgent(tenant: string, agentId: string): Promise<void>
}

/** Inclusive, in ms since 1970; what is absent does not bound. */
export interface TimeSpan {
  from?: number | undefined
  to?: number | undefined
}

export interface MessageSearch extends TimeSpan {
  /** Any text; what has one of its words is found. Without a word in it everything is, newest first. */
  text: string
  roles?: MessageRole[] | undefined
  limit: number
}

export interface FoundMessage {
  id: string
  role: MessageRole
  /** The speaker. */
  name: string | null
  /** What was said; without thoughts, calls and their results. */
  text: string
  date: number
  /** From 1 for the best match down to 0; null where nothing was ranked. */
  relevance: number | null
}

export interface Searches {
  /**
   * What the agent said and heard, the best match first. Left out: its system prompt, tool results, searches of this kind, and
   * what its model has in view because it belongs to the run that goes on.
   */
  searchMessages(tenant: string, agentId: string, search: MessageSearch): Promise<FoundMessage[]>
}

/** What a model made of a text. Vectors of different models say nothing about each other. */
export interface Vector {
  model: string
  values: number[]
}

export interface NewPassage {
  text: string
  tags: string[]
  vector?: Vector | undefined
}

export interface Passage {
  id: string
  text: string
  tags: string[]
  createdAt: number
}

export interface PassageFilter extends TimeSpan {
  /** Passages that have one of them, or with `allTags` each of them; empty: all passages. */
  tags: string[]
  allTags: boolean
  limit: number
}

export interface FoundPassage extends Passage {
  /** From 1 for the best match down to 0; null where nothing was ranked. */
  relevance: number | null
}

export interface Passages {
  addPassages(tenant: string, agentId: string, passages: NewPassage[]): Promise<Passage[]>
  /** By words, the best match first; for a text without a word in it: newest first. */
  searchPassages(tenant: string, agentId: string, text: string, filter: PassageFilter): Promise<FoundPassage[]>
  /** By meaning: those of the newest few thousand whose vector of the same model is nearest. */
  nearestPassages(tenant: string, agentId: string, vector: Vector, filter: PassageFilter): Promise<FoundPassage[]>
  /** The newest passages that this model has not read yet. */
  passagesWithoutVector(tenant: string, agentId: string, model: string, limit: number): Promise<Passage[]>
  setVectors(tenant: string, vectors: { id: string; vector: Vector }[]): Promise<void>
  countPassages(tenant: string, agentId: string): Promise<number>
}

/** What a run was admitted with: all that its manager may depend on. */
export interface Admission {
  request: Omit<SendRequest, 'messages'>
  /** `agent`: an agent talked to directly. */
  manager: Group['manager_type'] | 'agent'
  description: string
  maxTurns: number | null
  terminationToken: string | null
  /** In speaking order; an agent may be there twice. */
  members: { id: string; name: string }[]
  /** The agent that decides, or is talked to, where there is one beside the members. */
  managerAgent: { id: string; name: string } | null
  /** Set when background agents work after it: whether they are due, and the counter's next value. */
  sleeptime: { due: boolean; counter: number | null; since: string | null; buffer: { min: number; max: number } | null } | null
  /** Runs that paused before this one and are taken up by it, oldest first: their steps are its own. */
  continues: string[]
  /** What was said to the calls that waited. */
  answers: Approval[]
  /** Said together with the answers, heard once the calls have their results; what a background run is asked. */
  followUps: MessageCreate[]
}

/** A step that waits for an answer from outside. */
export interface PendingApproval {
  /** The message that asks. */
  id: string
  runId: string
  stepId: string
  agentId: string
  groupId: string | null
  calls: CallPart[]
  allowed: CallPart[]
  expiresAt: number | null
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
  /** How often a process died over the step that it is at. */
  crashes: number
  /** The key that pays for its tokens. */
  payer: string | null
  createdAt: number
}

/** How a failed run looks to one who asked for JSON. */
export interface RunError {
  status: number
  body: Record<string, unknown>
  error_type: string
  message: string
}

/** What a group's feed needs of a run. */
export type FeedRun = Pick<RunRow, 'seq' | 'id' | 'status'>

export interface NewRun {
  id: string
  agentId: string
  groupId: string | null
  background: boolean
  runType: string
  admission: Admission
  /** The key that pays for its tokens, if any. For what a run leaves to be done the same key pays. */
  payer?: string | null
  createdAt: number
}

/** Tells one request to a target from another (design §5 row 26). */
export interface RequestKey {
  /** The group or agent that is talked to. */
  target: string
  key: string
  /** SHA-256 of what is asked, in hex. */
  hash: string
}

/** What is stored with a new run. */
export interface NewRunParts {
  /** All whom it takes; empty for one that waits in line. */
  targets: string[]
  inputs: MessageRow[]
  frames: string[]
  /** The approvals that it answers. */
  answering: string[]
  key?: RequestKey | undefined
  /** It is stored as `created`, takes nobody and says nothing: its inputs are in its admission. */
  waits?: boolean
}

/** What a run leaves to be done, in the transaction of its end (design §5 row 17). */
export interface Afterwards {
  /** Background runs, stored as `created`; what they are asked is in their admission. */
  runs: NewRun[]
  /** Rows that leave their agent's context. */
  evicted: string[]
  group: { id: string; turnsCounter: number | null; lastProcessedMessageId: string | null }
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
  kind: 'call' | 'act'
  status: 'success' | 'failed' | 'cancelled'
  stopReason: StopReasonType | null
  recorded: Recorded
  createdAt: number
}

export interface Returned {
  name: string
  arguments: string
  result: string
  isError: boolean
}

/** What a replay needs of a step, and what its wire form shows beside the columns. */
export interface Recorded {
  /** Why the turn ends here; null when it goes on. */
  stop: StopReasonType | null
  /** What others hear of it. */
  said: string[]
  /** The calls that it made. */
  calls: CallPart[]
  /** Those of them that wait for an answer from outside. */
  waits?: string[]
  /** They were run at once: their results are in the act at the same place. */
  runs?: true
  /** What they gave, the beginning of it; what a turn's rules go by. */
  returned: Returned[]
  /** Tools that must be called before the turn may end. */
  missing?: string[]
  model: string
  handle: string
  providerType: string
  endpoint: string
  contextWindow: number
  usage: Usage
  /** From the first thought of it to its last word. */
  tookMs?: number
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
   * Stores the run as `running`, its inputs and its first frames, takes its targets, and marks the approvals that it answers.
   *
   * @returns the run's number
   * @throws {RunBusy} when another run has one of the targets, {Conflict} when another answer came first; nothing is stored
   */
  admitRun(tenant: string, run: NewRun, parts: NewRunParts): Promise<{ seq: number; logId: number }>
  /** Starts a run that was stored as `created`: takes its targets and stores its inputs. @throws {RunBusy} */
  startRun(run: Pick<RunRow, 'id' | 'tenant' | 'admission'>, targets: string[], inputs: MessageRow[]): Promise<void>
  /** The run that a request with this key led to in the last day, and the hash of what that asked. */
  runOfKey(tenant: string, key: Pick<RequestKey, 'target' | 'key'>): Promise<{ runId: string; hash: string } | undefined>
  /** Takes back what a run that has ended brought into its agents' histories; its stream and its steps stay. */
  withdrawMessages(tenant: string, runId: string): Promise<void>
  /** Runs that have not ended. */
  countOpenRuns(tenant: string): Promise<{ total: number; own: number }>
  findRun(tenant: string, id: string): Promise<RunRow>
  showRun(tenant: string, id: string): Promise<Run>
  listRuns(tenant: string, query: ListRunsQuery): Promise<Run[]>
  /** The tokens of each of its model calls. */
  usageOf(tenant: string, runId: string): Promise<Usage[]>
  /**
   * At start-up: every run that has not ended becomes this process's; for one that a dead process worked on a crash is counted.
   *
   * @returns them in order
   */
  takeOverRuns(): Promise<RunRow[]>
  /** The steps of these runs, in order; failed and cancelled ones, too. */
  journalOf(runIds: string[]): Promise<StepRow[]>
  /** Steps that wait for an answer from outside, for a group or for an agent. */
  pendingApprovals(tenant: string, of: { group: string } | { agent: string } | { run: string }): Promise<PendingApproval[]>
  /** The run that was begun by an answer to just these calls, if there was one. */
  answeredBy(tenant: string, of: { group: string } | { agent: string }, callIds: string[]): Promise<string | undefined>
  /** Gives up waiting: `rows` are the denials. A run that paused there becomes `cancelled`. */
  cancelApprovals(tenant: string, ids: string[], rows: MessageRow[]): Promise<void>
  /**
   * A step, the rows it made and the run's frames up to its last, together; the run's crashes are forgotten.
   *
   * @returns the log row's id, 0 when there were no frames
   */
  commitStep(step: StepRow, rows: MessageRow[], frames: NewFrames | null, pending?: PendingApproval): Promise<number>
  /**
   * Ends a run, once, with its last frames; frees its targets, and stores what is to come after it. `closing` are rows that it
   * ends with; `unsaid` is what it was asked and did not come to: listed, and heard by nobody.
   *
   * @returns false when it had ended already; then nothing is changed
   */
  endRun(
    runId: string,
    end: RunEnd,
    last: Segment,
    more?: { after?: Afterwards | undefined; closing?: MessageRow[]; unsaid?: MessageRow[] },
  ): Promise<boolean>
}

export interface Steps {
  /** Model calls of all runs. */
  listSteps(tenant: string, query: ListStepsQuery): Promise<Step[]>
  stepsOfRun(tenant: string, runId: string, page: PageQuery): Promise<Step[]>
  findStep(tenant: string, id: string): Promise<Step>
  /** What is absent is unchanged. */
  judgeStep(tenant: string, id: string, feedback: StepFeedback): Promise<Step>
  metricsOfStep(tenant: string, id: string): Promise<StepMetrics>
  metricsOfRun(tenant: string, runId: string): Promise<RunMetrics>
  /**
   * Its frames, steps and approvals go with it; what was said stays in the histories.
   *
   * @throws {Conflict} for one that has not ended, that waits for an answer, or whose steps are still needed
   */
  deleteRun(tenant: string, runId: string): Promise<void>
}

export interface Tags {
  /** By the alphabet; a cursor is a tag, whether it is there or not. */
  listTags(tenant: string, query: ListTagsQuery): Promise<string[]>
}

/** A group or an agent, to be talked to; a group's name is its description. */
export interface Target {
  id: string
  name: string
  createdAt: number
}

export interface Targets {
  /** The newest groups, then the newest agents: up to `limit` of each, without hidden ones. */
  listTargets(tenant: string, limit: number): Promise<Target[]>
  findTarget(tenant: string, id: string): Promise<Target | undefined>
  /** Those of that name: some, where there are several. */
  targetsNamed(tenant: string, name: string): Promise<Target[]>
}

export interface GroupRuns {
  /** @throws {NotFound} when it is none of the group's */
  findGroupRun(tenant: string, groupId: string, number: number): Promise<FeedRun>
  /** The group's run that began first after that number `number` did. */
  nextGroupRun(groupId: string, number: number): Promise<FeedRun | undefined>
  /** The group's run that works now, else its last one. */
  currentGroupRun(groupId: string): Promise<FeedRun | undefined>
}

/** Consecutive frames of a run, `first` and on. */
export interface NewFrames {
  run: number
  first: number
  count: number
  /** As the event log packs them; the store does not look into it. */
  frames: string
}

/** Consecutive frames of a run as one text, packed by themselves. */
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
  /**
   * Deletes frames of the first run after number `after` that has some, if it ended before `before` (ms since 1970): its last
   * ones first, so that a run which is not whole any more has no end, and nobody reads it.
   *
   * @returns the number to go on after; undefined when no run is left that has ended before
   */
  pruneFrames(before: number, after: number): Promise<number | undefined>
  /** At start-up: what was committed and not sealed, oldest first. */
  unsealed(): Promise<LogRow[]>
}
