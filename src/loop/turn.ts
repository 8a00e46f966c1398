import type { CallPart, Recorded, Returned } from '../db/store.ts'
import { SystemPromptTooLong } from '../llm/errors.ts'
import { logger } from '../logger.ts'
import type { StopReasonType } from '../wire/run.ts'
import { settle } from './approvals.ts'
import { makeRoom } from './context.ts'
import type { At } from './journal.ts'
import { audience } from './members.ts'
import { groupNote } from './prompt.ts'
import { callReturns } from './returns.ts'
import type { Member, Scene, TurnOptions } from './scene.ts'
import { takeStep } from './step.ts'
import { estimateTokens, needsCompaction } from './tokens.ts'

/** What a member said and did in its turn, and why that ended. */
export interface Said {
  stop: StopReasonType
  said: string[]
  /** The calls of its last step. */
  calls: CallPart[]
  /** Its last step. */
  at: At
}

/** One member's turn: steps until it yields, or the request may make no more of them. */
export async function takeTurn(scene: Scene, member: Member, turn: number, options: TurnOptions = {}): Promise<Said> {
  const { admission, journal } = scene
  const others = audience(admission).filter(({ id }) => id !== member.id)
  const listeners = options.listeners ?? others.map(({ id }) => id)
  const said: string[] = []
  const history: Returned[] = []
  let called: CallPart[] = []
  let notice: string | undefined
  for (let place = 0; ; place++) {
    const at = { turn, place, agentId: member.id }
    const end = (stop: StopReasonType): Said => ({ stop, said, calls: called, at: { ...at, place: Math.max(0, place - 1) } })
    if (place === options.maxSteps) return end('end_turn')
    const known = journal.find(at)
    if (journal.full && !known) return end('max_steps')
    const recorded: Recorded = await journal.step(at, (stepId) =>
      takeStep(scene, {
        agentId: member.id,
        stepId,
        at,
        note: [noteOf(scene, member, others, options), options.note].filter(Boolean).join('\n\n'),
        notice,
        listeners,
        lent: options.tools ?? [],
        mustCall: options.mustCall,
        history,
      }),
    )
    const calls = { at, listeners, lent: options.tools ?? [], history }
    const settled = recorded.waits
      ? await settle(scene, calls)
      : recorded.runs && (await callReturns(scene, calls, known !== undefined))
    said.push(...recorded.said, ...(settled ? settled.said : []))
    history.push(...recorded.returned, ...(settled ? settled.returned : []))
    notice = noticeOf(settled ? settled.missing : recorded.missing)
    if (!known) await tidyUp(scene, at, recorded)
    called = recorded.calls
    const { stop } = settled || recorded
    if (stop) return { stop, said, calls: called, at }
  }
}

const noticeOf = (missing: string[] | undefined) => missing && `[Before you finish you must call: ${missing.join(', ')}]`

/** After a step that left the context nearly full, older messages are summarised (groups.md §5.5.2). */
async function tidyUp(scene: Scene, at: At, { usage, contextWindow: window }: Recorded): Promise<void> {
  // Some providers count nothing, and cut silently what is too long.
  const tokens = usage.totalTokens || estimateTokens(await scene.store.contextOf(at.agentId))
  if (!needsCompaction(tokens, window)) return
  const agent = await scene.store.findSpeaker(scene.tenant, at.agentId)
  const { id: stepId } = scene.journal.find(at)!
  try {
    await makeRoom(scene, { agent, stepId, trigger: 'post_step_context_check', window, tokens })
  } catch (error) {
    scene.signal.throwIfAborted()
    if (error instanceof SystemPromptTooLong) throw error
    // The next step tries again, when the provider refuses.
    logger.error({ err: error, agent: at.agentId }, 'Older messages could not be summarised')
  }
}

/** Who talks to nobody is told of nobody. */
function noteOf({ groupId, admission }: Scene, { name }: Member, others: Member[], { listeners }: TurnOptions): string {
  if (groupId === null || listeners?.length === 0) return ''
  const names = others.map((other) => other.name)
  return groupNote(name, names, admission.description)
}
