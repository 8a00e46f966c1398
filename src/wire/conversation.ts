import { z } from 'zod'
import { Name } from './field.ts'
import { AgentId } from './id.ts'
import { ListMessagesQuery } from './page.ts'
import { ResumeRequest, SendRequest } from './request.ts'

/** The one conversation that an agent has here: `default`, with the agent named beside it, or by the agent's id. */
export const ConversationId = Name

const OfAgent = z.object({ agent_id: AgentId.nullish().describe('Whose, with the conversation `default`') })

/** `POST /v1/conversations/{conversation_id}/messages`: it streams unless it is told not to. */
export const ConversationSend = z.preprocess(
  (body) => (typeof body === 'object' && body !== null ? { streaming: true, ...body } : body),
  SendRequest.and(OfAgent),
)

export const ListConversationQuery = ListMessagesQuery({ limit: 100, order: 'desc' }).extend(OfAgent.shape)

/** `POST /v1/conversations/{conversation_id}/stream` (streaming.md §4.6). */
export const ConversationResume = ResumeRequest.extend({
  ...OfAgent.shape,
  run_id: Name.nullish().describe('This run'),
  otid: Name.nullish().describe('The run that the message with this otid began'),
})

export const ConversationCancelQuery = OfAgent
