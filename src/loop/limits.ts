import { z } from 'zod'
import type { Store } from '../db/store.ts'
import { InvalidFields, Overloaded, TooMany } from '../errors.ts'
import type { TextOrParts } from '../wire/content.ts'
import type { GroupCreate, GroupUpdate } from '../wire/group.ts'
import { DEFAULT_MAX_STEPS, type InputMessage, type SendRequest } from '../wire/request.ts'

/** Who asks for a run, and the key that pays for it. */
export interface Sender {
  tenant: string
  key: { id: string; name: string; tokensPerDay: number | null } | null
}

/** What one request may ask for. */
export interface RequestLimits {
  textChars: number
  messages: number
  maxSteps: number
  maxTurns: number
  members: number
}

/** What may go on at once, and in a day. */
export interface RunLimits {
  openRuns: { total: number; perTenant: number }
  /** Of each key that has no number of its own; undefined = any number. */
  tokensPerDay: number | undefined
}

const DAY_MS = 86_400_000

/** Days since 1970, UTC: a budget begins anew at midnight there. */
const dayOf = (at: number): number => Math.floor(at / DAY_MS)

/**
 * The request within its limits: where they are lower than what a request does that says nothing, that is lowered.
 *
 * @throws {InvalidFields} naming each field that asks for too much (faults.md F97)
 */
export function bounded(limits: RequestLimits, request: SendRequest): SendRequest {
  const { messages, max_steps: steps } = request
  const wrong = new Complaints()
  if (messages.length > limits.messages) wrong.add(['messages'], `More than ${limits.messages} messages`)
  for (const [index, message] of messages.entries()) {
    if (charsOf(message) > limits.textChars) wrong.add(['messages', index], `More than ${limits.textChars} characters of text`)
  }
  if (steps > limits.maxSteps && steps !== DEFAULT_MAX_STEPS) {
    wrong.add(['max_steps'], `Must be ${limits.maxSteps} at most`, steps)
  }
  wrong.throw()
  return { ...request, max_steps: Math.min(steps, limits.maxSteps) }
}

/** @throws {InvalidFields} */
export function refuseGroup(
  limits: RequestLimits,
  { agent_ids: agents, manager_config: config }: GroupCreate | GroupUpdate,
): void {
  const wrong = new Complaints()
  if (agents && agents.length > limits.members) wrong.add(['agent_ids'], `More than ${limits.members} members`)
  const turns = config && 'max_turns' in config ? config.max_turns : null
  if (turns != null && turns > limits.maxTurns) {
    wrong.add(['manager_config', 'max_turns'], `Must be ${limits.maxTurns} at most`, turns)
  }
  wrong.throw()
}

/**
 * Says whether one more run may begin. What a key has spent is counted as its runs end: those that are under way may still take
 * it past its budget.
 *
 * @throws {TooMany} {Overloaded}
 */
export async function refuseRun(
  store: Pick<Store, 'countOpenRuns' | 'tokensSpent'>,
  { tenant, key }: Sender,
  { openRuns, tokensPerDay }: RunLimits,
): Promise<void> {
  const { total, own } = await store.countOpenRuns(tenant)
  if (total >= openRuns.total) throw new Overloaded(`${total} runs are open: send again when some have ended`)
  if (own >= openRuns.perTenant) {
    const soon = { limit: openRuns.perTenant, resetMs: 1000, retryable: true }
    throw new TooMany(`This tenant has ${own} open runs`, soon)
  }
  const budget = key && (key.tokensPerDay ?? tokensPerDay)
  if (!key || budget == null) return
  const now = Date.now()
  const spent = await store.tokensSpent(key.id, dayOf(now))
  if (spent < budget) return
  const tomorrow = { limit: budget, resetMs: (dayOf(now) + 1) * DAY_MS - now, retryable: false }
  throw new TooMany(`The key ${key.name} has spent ${spent} of its ${budget} tokens of today`, tomorrow)
}

/** The text that a model would have to read. */
function charsOf(message: InputMessage): number {
  if (message.type === 'message') return chars(message.content)
  const answers = message.type === 'approval' ? message.approvals : message.tool_returns
  return answers.reduce((sum, answer) => sum + ('tool_return' in answer ? chars(answer.tool_return) : 0), 0)
}

const chars = (content: TextOrParts): number =>
  typeof content === 'string'
    ? content.length
    : content.reduce((sum, part) => sum + ('text' in part ? part.text.length : 'content' in part ? part.content.length : 0), 0)

/** Fields of a body that are wrong, all of them at once. */
class Complaints {
  readonly #issues: z.core.$ZodIssue[] = []

  add(path: (string | number)[], message: string, input?: unknown): void {
    this.#issues.push({ code: 'custom', path, message, input })
  }
  throw(): void {
    if (this.#issues.length === 0) return
    const given = Object.fromEntries(this.#issues.map(({ path, input }) => [String(path[0]), input]))
    throw new InvalidFields('body', new z.ZodError(this.#issues), given)
  }
}
