import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import type { RunRow, Target } from '../db/store.ts'
import { InvalidArgument, NotFound } from '../errors.ts'
import { Completion } from '../stream/completion.ts'
import { readFrame, splitFrames } from '../stream/frame.ts'
import type { Show } from '../stream/page.ts'
import { answerStream } from '../stream/sse.ts'
import { tail } from '../stream/tail.ts'
import { ChatCompletion, ChatCompletionChunk, ChatError, ChatModel, ChatModelList, ChatRequest } from '../wire/completion.ts'
import { Name } from '../wire/field.ts'
import { AgentId, GroupId } from '../wire/id.ts'
import { answerNobody, collect } from './answer.ts'
import { sendOf } from './chat-input.ts'
import { answers } from './describe.ts'
import { chat as example } from './examples.ts'
import { openAiError } from './openai-error.ts'
import { validate } from './validate.ts'

/** What a client that lists models is shown of each kind. */
const MODELS = 1000

/** `/openai/v1`: the base URL for OpenAI's clients. Every group is a model, and so is every agent. */
export const openAiRoutes = (services: Services) => {
  const { store } = services
  return new Hono<Caller>({ strict: false })
    .route('/chat/completions', completionRoutes(services))
    .get('/models', answers('List groups and agents as models', ChatModelList, { refusal: ChatError }), async (c) => {
      const targets = await store.listTargets(c.var.tenant, MODELS)
      return c.json({ object: 'list', data: targets.map(asModel) } satisfies z.infer<typeof ChatModelList>)
    })
    .get(
      '/models/:model',
      answers('Show a group or an agent as a model', ChatModel, { refusal: ChatError }),
      validate('param', z.object({ model: Name })),
      async (c) => c.json(asModel(await targetOf(services, c.var.tenant, c.req.valid('param').model))),
    )
}

/** `/openai/v1/chat/completions`, and `/v1/chat/completions`. */
export const completionRoutes = (services: Services) =>
  new Hono<Caller>({ strict: false }).post(
    '/',
    answers('Talk to a group or an agent as to a model', ChatCompletion, {
      events: ChatCompletionChunk,
      refusal: ChatError,
      body: example,
    }),
    validate('json', ChatRequest),
    async (c) => {
      const { store, requests } = services
      const { tenant } = c.var
      const request = c.req.valid('json')
      const target = await targetOf(services, tenant, request.model)
      const group = GroupId.safeParse(target.id).success ? await store.findGroup(tenant, target.id) : undefined
      // A supervisor's members speak at once: their tokens would be mixed in one text, their messages are not.
      const send = sendOf(request, group?.manager_type !== 'supervisor')
      const key = c.req.header('idempotency-key')
      const run = group
        ? await requests.sendToGroup(c.var, group.id, send, key)
        : await requests.sendToAgent(c.var, target.id, send, key)
      const completion = new Completion({
        id: run.id,
        model: request.model,
        createdAt: run.createdAt,
        named: group !== undefined,
        tools: new Set(request.tools?.map(({ function: tool }) => tool.name)),
      })
      if (request.stream) return stream(c, services, run, completion, request.stream_options?.include_usage ?? false)
      const all = await collect(c, services, run)
      if (!all) return answerNobody(c)
      if ('failed' in all) {
        const { status, body } = all.failed
        return c.json(openAiError(status, { ...body, run_id: run.id }), status as 500)
      }
      return c.json(completion.whole(all.messages, all.stopReason.stop_reason, all.usage) satisfies ChatCompletion)
    },
  )

/** @param withUsage the caller wants the tokens counted in a chunk of its own */
function stream(
  c: Context<Caller>,
  { log, config, closing }: Services,
  run: RunRow,
  completion: Completion,
  withUsage: boolean,
): Response {
  return answerStream(c, {
    follow: async (show, signal) => {
      await show({ text: event(completion.chunk({ role: 'assistant', content: '' })), last: 0, final: false })
      await tail(log, run.seq, 0, { silenceMs: config.keepaliveMs, signal }, asChunks(show, completion, withUsage))
    },
    runOf: () => run.id,
    runId: run.id,
    pings: false,
    view: undefined,
    stallMs: config.readerStallMs,
    closing,
  })
}

const asChunks =
  (show: Show, completion: Completion, withUsage: boolean): Show =>
  (page) => {
    const text = splitFrames(page.text)
      .map((frame) => eventsOf(frame, completion, withUsage))
      .join('')
    return text !== '' || page.text === '' || page.final ? show({ ...page, text }) : undefined
  }

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`

function eventsOf(frame: string, completion: Completion, withUsage: boolean): string {
  const message = readFrame(frame)
  if (!message) return 'data: [DONE]\n\n'
  if (message.message_type === 'error_message') {
    const { message: text, error_type: code } = message
    return event({ error: { message: text, type: 'server_error', param: null, code } } satisfies ChatError)
  }
  if (message.message_type === 'usage_statistics') {
    return event(completion.lastChunk()) + (withUsage ? event(completion.usageChunk(message)) : '')
  }
  const delta = completion.take(message)
  return delta ? event(completion.chunk(delta)) : ''
}

/** @throws {NotFound} {InvalidArgument} when several have that name */
async function targetOf({ store }: Pick<Services, 'store'>, tenant: string, model: string): Promise<Target> {
  const isId = GroupId.safeParse(model).success || AgentId.safeParse(model).success
  const found = isId ? [await store.findTarget(tenant, model)] : await store.targetsNamed(tenant, model)
  const [target, another] = found
  if (!target) throw new NotFound('model', `${model} (a model is the id of a group or an agent, or its name)`)
  if (another) throw new InvalidArgument(`Several groups or agents are called ${model}: say which by its id, e.g. ${target.id}`)
  return target
}

const asModel = ({ id, name, createdAt }: Target): ChatModel => ({
  id,
  object: 'model',
  created: Math.floor(createdAt / 1000),
  owned_by: 'roundtable',
  name,
})
