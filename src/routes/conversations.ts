import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import { InvalidArgument, InvalidFields, NotFound } from '../errors.ts'
import {
  ConversationCancelQuery,
  ConversationId,
  ConversationResume,
  ConversationSend,
  ListConversationQuery,
} from '../wire/conversation.ts'
import { AgentId } from '../wire/id.ts'
import { ListRunsQuery } from '../wire/run.ts'
import { Cancelled, LettaResponse } from '../wire/response.ts'
import { LettaMessage } from '../wire/message.ts'
import { answerEvents, answerWhole, listMessages, resumeAfter } from './answer.ts'
import { answers, events } from './describe.ts'
import * as examples from './examples.ts'
import { validate } from './validate.ts'

const ofConversation = validate('param', z.object({ conversation_id: ConversationId }))

/**
 * `/v1/conversations/{conversation_id}`, as newer clients talk to an agent (streaming.md §0.2). An agent has one conversation, its
 * own: `default`.
 */
export const conversationRoutes = (services: Services) => {
  const { store, runs, requests } = services
  return new Hono<Caller>({ strict: false })
    .post(
      '/:conversation_id/messages',
      answers('Talk to an agent in its own conversation', LettaResponse, { events, body: examples.converse }),
      ofConversation,
      validate('json', ConversationSend),
      async (c) => {
        const { agent_id, ...request } = c.req.valid('json')
        const agent = agentOf(c.req.valid('param').conversation_id, agent_id, 'body')
        const run = await requests.sendToAgent(c.var, agent, request, c.req.header('idempotency-key'))
        return request.streaming
          ? answerEvents(c, services, run, { after: 0, pings: request.include_pings })
          : await answerWhole(c, services, run)
      },
    )
    .get(
      '/:conversation_id/messages',
      answers('List the messages of an agent’s own conversation', z.array(LettaMessage)),
      ofConversation,
      validate('query', ListConversationQuery),
      async (c) => {
        const { agent_id, ...query } = c.req.valid('query')
        const agent = agentOf(c.req.valid('param').conversation_id, agent_id, 'query')
        await store.findAgent(c.var.tenant, agent)
        return c.json(await listMessages(store, c.var.tenant, { agent, group: query.group_id }, query))
      },
    )
    .post(
      '/:conversation_id/stream',
      answers('Follow the run that works, or the one that is named', events),
      ofConversation,
      validate('json', ConversationResume),
      async (c) => {
        const { agent_id, run_id, otid, starting_after: after, include_pings: pings } = c.req.valid('json')
        const { conversation_id } = c.req.valid('param')
        const { tenant } = c.var
        const id = run_id ?? (await runToFollow(tenant, agentOf(conversation_id, agent_id, 'body'), otid))
        const run = await store.findRun(tenant, id)
        return answerEvents(c, services, run, { after: await resumeAfter(services, run, after), pings })
      },
    )
    .post(
      '/:conversation_id/cancel',
      answers('Cancel what an agent works on', Cancelled),
      ofConversation,
      validate('query', ConversationCancelQuery),
      async (c) => {
        const agent = agentOf(c.req.valid('param').conversation_id, c.req.valid('query').agent_id, 'query')
        return c.json(await runs.cancelOf(c.var.tenant, agent))
      },
    )

  /** The run that an input began, else the newest that has not ended. */
  async function runToFollow(tenant: string, agent: string, otid: string | null | undefined): Promise<string> {
    await store.findAgent(tenant, agent)
    if (otid != null) {
      const begun = await store.runOfInput(tenant, agent, otid)
      if (begun === undefined) throw new NotFound('run', `No run found for otid=${otid}`)
      return begun
    }
    const [newest] = await store.listRuns(tenant, ListRunsQuery.parse({ agent_id: agent, active: 'true', limit: 1 }))
    if (!newest) throw new InvalidArgument('No active runs found for this conversation.')
    return newest.id
  }
}

/** @throws {NotFound} for any conversation but an agent's own */
function agentOf(conversation: string, agentId: string | null | undefined, place: string): string {
  if (conversation !== 'default') {
    if (AgentId.safeParse(conversation).success) return conversation
    throw new NotFound('conversation', conversation)
  }
  if (agentId != null) return agentId
  const message = 'is required with the conversation `default`'
  throw new InvalidFields(place, new z.ZodError([{ code: 'custom', path: ['agent_id'], message, input: undefined }]), {})
}
