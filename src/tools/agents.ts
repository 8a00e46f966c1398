import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout } from 'node:timers/promises'
import type { Speaker } from '../db/store.ts'
import { Refusal, RunBusy } from '../errors.ts'
import { logger } from '../logger.ts'
import { ListAgentsQuery } from '../wire/agent.ts'
import { type BuiltinTool, stringArg, ToolError, type ToolCallContext } from './tool.ts'
import { type Wait, Waits } from './waits.ts'

export interface SendOptions {
  /** Until the other has answered; else until its run has begun. */
  wait: boolean
  signal: AbortSignal
  /** The same for every try of the same message. */
  key: string
  payer: string | null
}

/**
 * Sends a `system` message to an agent, as one that talks to it directly.
 *
 * @returns `said` is what the other said in its run; empty when it was not waited for
 * @throws the signal's reason when it aborts
 * @throws {RunBusy} while the other is in a run; it is sent again then
 * @throws {Refusal} whose text the model may read
 */
export type SendToAgent = (
  tenant: string,
  from: Pick<Speaker, 'id' | 'name'>,
  toAgentId: string,
  text: string,
  options: SendOptions,
) => Promise<{ runId: string; said: string[] }>

/** A message that causes a message that causes … this many, and no more. */
const MAX_CHAIN = 8
/** As in Letta. */
const MAX_MATCHES = 100
const MAX_AT_ONCE = 10

/**
 * The tools with which agents talk to each other without a group (groups.md §3.6.6). A message is sent once. An agent that is
 * in a run is waited for; a wait that could never end is refused at once, and so is a chain of messages that is too long
 * (faults.md F46). Both guards see this process only.
 */
export function agentTools(send: SendToAgent, { retryMs = 100 } = {}): BuiltinTool[] {
  const chain = new AsyncLocalStorage<number>()
  const waits = new Waits()

  async function deliver(to: string, text: string, wait: boolean, key: string, context: ToolCallContext) {
    const { tenant, agent, signal, payer = null } = context
    if (to === agent.id) throw new ToolError('An agent cannot send a message to itself')
    const links = chain.getStore() ?? 0
    if (links >= MAX_CHAIN)
      throw new ToolError(`The message was not sent: it would be number ${links + 1} in a chain of messages among agents`)
    const waiting = waits.begin(agent.id)
    try {
      for (let pauseMs = retryMs; ; pauseMs = Math.min(2 * pauseMs, 20 * retryMs)) {
        signal.throwIfAborted()
        waitFor(waiting, to, wait ? [to] : [])
        try {
          return await chain.run(links + 1, () => send(tenant, agent, to, text, { wait, signal, key, payer }))
        } catch (error) {
          if (!(error instanceof RunBusy)) throw error instanceof Refusal ? new ToolError(error.message) : error
          waitFor(waiting, to, await heldBy(error, context))
        }
        await setTimeout(pauseMs, undefined, { signal })
      }
    } finally {
      waiting.end()
    }
  }

  return [
    {
      name: 'send_message_to_agent_and_wait_for_reply',
      type: 'letta_multi_agent_core',
      description: 'Sends a message to another agent and gives you its reply.',
      parameters: schema({ message, other_agent_id }),
      async run(args, context) {
        const to = stringArg(args, 'other_agent_id')
        const text = preface(context.agent, REPLY_COMES) + stringArg(args, 'message')
        const { said } = await deliver(to, text, true, context.callKey, context)
        return JSON.stringify(reply(to, said))
      },
    },
    {
      name: 'send_message_to_agents_matching_tags',
      type: 'letta_multi_agent_core',
      description: `Sends a message to all other agents with certain tags, ${MAX_MATCHES} at most, and gives you the reply of each.`,
      parameters: schema({ message, match_all, match_some }),
      async run(args, context) {
        const text = preface(context.agent, REPLY_COMES) + stringArg(args, 'message')
        const others = await matching(stringsArg(args, 'match_all'), stringsArg(args, 'match_some'), context)
        const replies: object[] = []
        for (let from = 0; from < others.length; from += MAX_AT_ONCE) {
          const some = others.slice(from, from + MAX_AT_ONCE)
          replies.push(...(await Promise.all(some.map((id) => ask(id, text, context)))))
        }
        return JSON.stringify(replies)
      },
    },
    {
      name: 'send_message_to_agent_async',
      type: 'letta_multi_agent_core',
      description: 'Sends a message to another agent. You do not get its reply; it may send you a message in turn.',
      parameters: schema({ message, other_agent_id }),
      async run(args, context) {
        const to = stringArg(args, 'other_agent_id')
        const text = preface(context.agent, NO_REPLY) + stringArg(args, 'message')
        const { runId } = await deliver(to, text, false, context.callKey, context)
        return JSON.stringify({ agent_id: to, run_id: runId })
      },
    },
  ]

  /** One of several that are asked: what goes wrong with it is its entry. */
  async function ask(id: string, text: string, context: ToolCallContext) {
    try {
      const { said } = await deliver(id, text, true, `${context.callKey}/${id}`, context)
      return reply(id, said)
    } catch (error) {
      context.signal.throwIfAborted()
      if (!(error instanceof ToolError))
        logger.error({ err: error, agent: id }, 'A message to another agent failed inside the server')
      return { agent_id: id, error: error instanceof ToolError ? error.message : 'It failed inside the server' }
    }
  }
}

/** @throws {ToolError} when `agents`, who must end before `to` can answer, wait for the one that would wait for them */
function waitFor(waiting: Wait, to: string, agents: string[]) {
  if (waiting.reaches(agents)) {
    throw new ToolError(
      `The message was not sent: ${to} cannot answer, because it is in a conversation that goes on only after your turn`,
    )
  }
  waiting.for = new Set(agents)
}

/** Who must come to an end before a busy agent is free: all that are in its run. */
async function heldBy(busy: RunBusy, { store, tenant }: ToolCallContext): Promise<string[]> {
  const { agentId, admission } = await store.findRun(tenant, String(busy.extra['run_id']))
  return [agentId, ...admission.members.map(({ id }) => id)]
}

async function matching(all: string[], some: string[], { store, tenant, agent }: ToolCallContext): Promise<string[]> {
  const [tags, match_all_tags] = all.length > 0 ? [all, true] : [some, false]
  const agents = await store.listAgents(tenant, { ...everyAgent, ...(tags.length > 0 && { tags }), match_all_tags })
  return agents
    .filter(({ id, tags: its }) => id !== agent.id && (some.length === 0 || some.some((tag) => its.includes(tag))))
    .slice(0, MAX_MATCHES)
    .map(({ id }) => id)
}

const everyAgent = ListAgentsQuery.parse({ limit: 1000 })

const reply = (id: string, said: string[]) => ({ agent_id: id, response: said.length > 0 ? said : ['<no response>'] })

const REPLY_COMES = 'It waits for you: what you say in answer is delivered back to it.'
const NO_REPLY = 'It does not wait, and what you say is not delivered to it: to answer, send it a message with a tool.'

const preface = ({ id, name }: Speaker, delivery: string) =>
  `[This comes from another agent, ${JSON.stringify(name)} (${id}), and not from a user. ${delivery}]\n\n`

const message = { type: 'string', description: 'What to say to the other agent.' }
const other_agent_id = { type: 'string', description: 'The id of the other agent: agent-…' }
const tagList = (description: string) => ({ type: 'array', items: { type: 'string' }, maxItems: 100, description })
const match_all = tagList('Tags that an agent must all have. May be empty.')
const match_some = tagList('Tags of which an agent must have one. May be empty.')
const schema = (properties: Record<string, unknown>) => ({ type: 'object', properties, required: Object.keys(properties) })

function stringsArg(args: Record<string, unknown>, name: string): string[] {
  const value = args[name]
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new ToolError(`The argument "${name}" must be a list of strings`)
}
