import type { CallPart, MessageRow, PendingApproval, Recorded, ReturnPart, Returned, Speaker } from '../db/store.ts'
import { Conflict, InvalidArgument } from '../errors.ts'
import { expand } from '../stream/expand.ts'
import { cutLines, cutText } from '../tools/output.ts'
import { rulesFor } from '../tools/rules.ts'
import { newId } from '../wire/id.ts'
import type { Approval } from '../wire/message.ts'
import type { StopReasonType } from '../wire/run.ts'
import { type Results, runCalls } from './calls.ts'
import { inputRows } from './inputs.ts'
import { toolRetry } from './events.ts'
import { type At, keyOf } from './journal.ts'
import { audience } from './members.ts'
import { type CallsOptions, saidByCalls } from './returns.ts'
import type { Scene } from './scene.ts'
import { newRow } from './step.ts'
import { heardRow } from './utterances.ts'

/*
 * Calls that wait for an answer from outside: a tool that needs leave, or one that the caller runs (streaming.md §7). The run
 * that made them has ended with `requires_approval`; the answer begins a run that takes up its steps and goes on from there.
 */

/**
 * Gives the calls of a paused step their results, if this run brings the answers: those that were allowed are run now.
 *
 * @returns what they gave, what they said, and whether that ends the turn; undefined when they still wait
 */
export async function settle(scene: Scene, { at, listeners, lent, history }: CallsOptions): Promise<Recorded | undefined> {
  const { journal, admission, store, tenant } = scene
  const { id: stepId, runId, recorded } = journal.find(at)!
  // Some providers use ids again: what this run itself asks is not answered by what was said before it.
  if (runId === scene.runId) return undefined
  const waits = recorded.waits ?? []
  const answers = admission.answers.filter(({ tool_call_id }) => waits.includes(tool_call_id))
  if (!journal.acted(at) && answers.length < waits.length) return undefined
  const given = new Map(answers.map((answer) => [answer.tool_call_id, answer]))
  const calls = recorded.calls.filter(({ id }) => mayRun(given.get(id)))
  if (scene.resumed && !journal.acted(at) && calls.length > 0) await scene.show([toolRetry(scene.runId, stepId, calls)])
  return await journal.act(at, async () => {
    const agent = await store.findSpeaker(tenant, at.agentId)
    // Whoever gave leave has decided: rules do not forbid it any more (streaming.md §7.4).
    const ran = await runCalls(scene, { agent, stepId, calls, lent, rules: noRules, history: [] })
    const results = new Map(ran.parts.map((part) => [part.tool_call_id, part]))
    const limit = returnLimit(agent)
    const parts = inOrder(recorded.calls, given).flatMap((call) => {
      const answer = given.get(call.id)
      return results.get(call.id) ?? (answer && !mayRun(answer) ? resultOf(call, answer, limit) : [])
    })
    const asked: MessageRow = {
      ...newRow(scene, agent, stepId, 'approval'),
      parts: [{ type: 'approval_response', approvals: answers }],
    }
    const returned: MessageRow = { ...newRow(scene, agent, stepId, 'tool'), name: recorded.calls[0]!.name, parts }
    // Words that are shown as they come, and those of lent tools, were heard when the call was made.
    const heardBefore = ({ name, speaks }: CallPart) => speaks !== undefined || lent.some(({ spec }) => spec.name === name)
    const late = calls.filter((call) => waits.includes(call.id) || !heardBefore(call))
    const said = saidByCalls({ ...asked, role: 'assistant', parts: late }, [returned], lent)
    const heard = said.flatMap((utterance) => listeners.map((listener) => heardRow(asked, listener, utterance)))
    return {
      rows: [asked, ...(parts.length > 0 ? [returned] : []), ...heard, ...followUpRows(scene, at, returned.date)],
      messages: expand(returned),
      said: said.map(({ text }) => text),
      returned: ran.returned,
      stop: stopAfter(agent, { answers, ran, history }),
      ...(ran.cancelled && { failure: ran.cancelled }),
    }
  })
}

const noRules = { parallel: true, prefilled: () => undefined, violation: () => undefined }

/** A hand-over ends the turn, and so does a last tool; after a refusal or a return of the caller's the model goes on. */
function stopAfter(
  agent: Speaker,
  { answers, ran, history }: { answers: Approval[]; ran: Results; history: Returned[] },
): StopReasonType | null {
  if (ran.lentEnds) return 'end_turn'
  if (!answers.every(mayRun) || ran.returned.length === 0) return null
  const names = agent.tools.flatMap(({ name }) => name ?? [])
  return rulesFor(agent.tool_rules, history, names).after(ran.returned).ends ? 'tool_rule' : null
}

/**
 * What the user said together with the answers: all hear it, once. Those that wait hear it when their calls have their results,
 * the others with the first of them.
 */
function followUpRows({ journal, admission, runId, groupId }: Scene, at: At, date: number): MessageRow[] {
  const waiting = new Set(journal.paused.map(({ agentId }) => agentId))
  const first = keyOf(journal.paused[0]!, 'call') === keyOf(at, 'call')
  const others = audience(admission).flatMap(({ id }) => (waiting.has(id) ? [] : [id]))
  return admission.followUps.flatMap((input) => {
    const rows = inputRows({ id: runId, groupId, createdAt: date }, input, first ? [at.agentId, ...others] : [at.agentId])
    return first ? rows : rows.map((row) => ({ ...row, heard: true }))
  })
}

/** An approved call, or one that needed no leave. */
const mayRun = (answer: Approval | undefined) => !answer || (answer.type === 'approval' && answer.approve)

/** Returns of the caller first, then denials, then what was run (streaming.md §3.9). */
const inOrder = (calls: CallPart[], given: Map<string, Approval>) => {
  const rank = ({ id }: CallPart) => {
    const answer = given.get(id)
    return answer?.type === 'tool' ? 0 : answer && !mayRun(answer) ? 1 : 2
  }
  return calls.toSorted((a, b) => rank(a) - rank(b))
}

/** In characters: a fifth of what the model can read (streaming.md §7.4). */
const returnLimit = ({ llm_config }: Speaker) => Math.max(5000, Math.floor(llm_config.context_window * 0.2) * 4)

function resultOf(call: CallPart, answer: Approval, limit: number): ReturnPart {
  if (answer.type === 'approval') return denial(call, answer.reason)
  const { tool_return: given, status, stdout, stderr } = answer
  const text =
    typeof given === 'string' ? given : given.map((part) => (part.type === 'text' ? part.text : '[Image]')).join('\n')
  return {
    type: 'tool_return',
    tool_call_id: call.id,
    content: cutText(text, limit),
    is_error: status === 'error',
    ...(stdout && { stdout: cutLines(stdout, limit) }),
    ...(stderr && { stderr: cutLines(stderr, limit) }),
  }
}

const denial = (call: CallPart, reason: string | null): ReturnPart => ({
  type: 'tool_return',
  tool_call_id: call.id,
  content: `Error: request to call tool denied.${reason ? ` User reason: ${reason}` : ''}`,
  is_error: true,
})

/** The rows that end the waiting when nobody answers: every call of the step is denied (streaming.md §4.12). */
export function denialRows(pending: PendingApproval, row: Omit<MessageRow, 'role' | 'parts'>, reason: string): MessageRow[] {
  const approvals = pending.calls.map(({ id }): Approval => ({ type: 'approval', tool_call_id: id, approve: false, reason }))
  const all = [...pending.allowed, ...pending.calls]
  return [
    { ...row, id: newId('message'), role: 'approval', parts: [{ type: 'approval_response', approvals }] },
    { ...row, id: newId('message'), role: 'tool', name: all[0]!.name, parts: all.map((call) => denial(call, reason)) },
  ]
}

/**
 * Which of the waiting steps an answer is to: all that wait, for all of their calls.
 *
 * @throws {InvalidArgument} with the words that clients look for (streaming.md §7.6)
 */
export function matchAnswers(pending: PendingApproval[], answers: Approval[]): Approval[] {
  const expected = pending.flatMap(({ calls }) => calls.map(({ id }) => id))
  const [only] = pending
  // The deprecated way names the message that asks; it has to be one call.
  if (pending.length === 1 && expected.length === 1 && answers.length === 1 && answers[0]!.tool_call_id === only!.id) {
    return [{ ...answers[0]!, tool_call_id: expected[0]! }]
  }
  const received = [...new Set(answers.map(({ tool_call_id }) => tool_call_id))]
  if (received.length !== new Set(expected).size || !expected.every((id) => received.includes(id))) {
    const list = (ids: string[]) => `[${ids.map((id) => `'${id}'`).join(', ')}]`
    throw new InvalidArgument(
      `INVALID_ARGUMENT: Invalid tool call IDs. Expected '${list(expected)}', but received '${list(received)}'.`,
    )
  }
  // The first answer to a call counts.
  return expected.map((id) => answers.find(({ tool_call_id }) => tool_call_id === id)!)
}

/** A message came while calls wait (streaming.md §7.6). */
export class PendingApprovalConflict extends Conflict {
  readonly #requestId: string
  constructor(requestId: string) {
    super(
      'CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. ' +
        'Please approve or deny the pending request before continuing.',
    )
    this.#requestId = requestId
  }
  override body(): Record<string, unknown> {
    return { detail: { code: 'PENDING_APPROVAL', message: this.message, pending_request_id: this.#requestId } }
  }
}
