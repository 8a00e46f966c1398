import type { Admission, PendingApproval, RunRow, Store } from '../db/store.ts'
import { InvalidArgument } from '../errors.ts'
import type { Group } from '../wire/group.ts'
import type { MessageCreate, SendRequest } from '../wire/request.ts'
import { matchAnswers, PendingApprovalConflict } from './approvals.ts'
import { audience } from './members.ts'

/** A request with everything looked up that its run will depend on. */
export interface Asked {
  tenant: string
  groupId: string | null
  /** Whose run it is: the manager agent, or the first member. */
  agentId: string
  admission: Admission
  /** What is said at once. */
  inputs: MessageCreate[]
  /** The waiting steps that it answers. */
  answering: string[]
}

/** @throws {InvalidArgument} for a group that nobody is in */
export async function askGroup(store: Store, tenant: string, group: Group, request: SendRequest): Promise<Asked> {
  if (group.agent_ids.length === 0) throw new InvalidArgument(`Empty group: ${group.id} has no agents; add some to agent_ids`)
  const named = async (id: string) => ({ id, name: await store.findAgentName(tenant, id) })
  const members = await Promise.all(group.agent_ids.map(named))
  const managerAgent = group.manager_agent_id === null ? null : await named(group.manager_agent_id)
  const { messages, ...rest } = request
  return {
    tenant,
    groupId: group.id,
    agentId: managerAgent?.id ?? members[0]!.id,
    inputs: messages.map(asMessage),
    answering: [],
    admission: {
      ...plain,
      request: rest,
      manager: group.manager_type,
      description: group.description,
      maxTurns: group.max_turns,
      terminationToken: group.termination_token,
      members,
      managerAgent,
      sleeptime: sleeptimeOf(group),
    },
  }
}

export async function askAgent(store: Store, tenant: string, agentId: string, request: SendRequest): Promise<Asked> {
  const { id, name, managed_group: group } = await store.findAgent(tenant, agentId)
  // An agent with background helpers has them whichever way it is talked to (design §5 row 17).
  if (group && sleeptimeOf(group)) return await askGroup(store, tenant, group, request)
  const { messages, ...rest } = request
  return {
    tenant,
    groupId: null,
    agentId: id,
    inputs: messages.map(asMessage),
    answering: [],
    admission: { ...plain, request: rest, manager: 'agent', members: [{ id, name }] },
  }
}

const plain = {
  description: '',
  maxTurns: null,
  terminationToken: null,
  managerAgent: null,
  sleeptime: null,
  continues: [],
  answers: [],
  followUps: [],
}

/** Whether the members work after this request: at the first one, then every `frequency`-th (groups.md §3.4.3). */
function sleeptimeOf(group: Group): Admission['sleeptime'] {
  const { manager_type: type, sleeptime_agent_frequency: frequency, turns_counter: counter } = group
  if (type !== 'sleeptime' && type !== 'voice_sleeptime') return null
  const next = frequency === null ? null : ((counter ?? -1) + 1) % frequency
  const { max_message_buffer_length: max, min_message_buffer_length: min } = group
  return {
    due: next === null || next === 0,
    counter: next,
    since: group.last_processed_message_id,
    buffer: type === 'voice_sleeptime' ? { max: max ?? DEFAULT_BUFFER.max, min: min ?? DEFAULT_BUFFER.min } : null,
  }
}

/** The same for a run that has waited in line: others have come to their end since it was admitted. */
export async function sleeptimeNow(
  store: Store,
  { tenant, groupId, admission }: Pick<RunRow, 'tenant' | 'groupId' | 'admission'>,
): Promise<Admission['sleeptime']> {
  if (groupId === null || !admission.sleeptime) return admission.sleeptime
  return sleeptimeOf(await store.findGroup(tenant, groupId))
}

/** groups.md §3.5 */
const DEFAULT_BUFFER = { max: 30, min: 15 }

/** The first input says whether a request answers calls that wait (streaming.md §2.3). */
export const isAnswer = ({ messages }: SendRequest): boolean => messages[0]!.type !== 'message'

/**
 * A request that answers waiting calls: it takes up the run that paused, with all that run was admitted with.
 *
 * @throws {InvalidArgument} when the answers do not fit the calls
 */
export function answerTo(pending: PendingApproval[], paused: RunRow, { messages, ...request }: SendRequest): Asked {
  const [first, ...rest] = messages
  const answers = first!.type === 'approval' ? first!.approvals : first!.type === 'tool_return' ? first!.tool_returns : []
  return {
    tenant: paused.tenant,
    groupId: paused.groupId,
    agentId: paused.agentId,
    inputs: [],
    answering: pending.map(({ id }) => id),
    admission: {
      ...paused.admission,
      request,
      continues: [...paused.admission.continues, paused.id],
      answers: matchAnswers(pending, answers),
      followUps: rest.map(asMessage),
    },
  }
}

/** The ids of the calls that a request answers. */
export const answeredIds = ({ messages: [first] }: SendRequest): string[] => {
  const answers = first!.type === 'approval' ? first!.approvals : first!.type === 'tool_return' ? first!.tool_returns : []
  return answers.map(({ tool_call_id }) => tool_call_id)
}

/** Who hears what the user says: the agent whose run it is first, its row is the one that is listed. */
export const hearersOf = ({ agentId, admission }: Pick<Asked, 'agentId' | 'admission'>): string[] => [
  ...new Set([agentId, ...audience(admission).map(({ id }) => id)]),
]

/** Everybody who takes part, as the store's locks know them. */
export const targetsOf = ({ groupId, ...asked }: Pick<Asked, 'groupId' | 'agentId' | 'admission'>): string[] =>
  [...hearersOf(asked), ...(groupId === null ? [] : [groupId])].toSorted()

/** @throws {PendingApprovalConflict} */
export function refusePending([first]: PendingApproval[]): void {
  if (first) throw new PendingApprovalConflict(first.id)
}

function asMessage(input: SendRequest['messages'][number]): MessageCreate {
  if (input.type !== 'message')
    throw new InvalidArgument('INVALID_ARGUMENT: Only the first of the messages may answer tool calls')
  return input
}
