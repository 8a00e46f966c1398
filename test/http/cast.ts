import { expect, onTestFinished } from 'vitest'
import { Folding } from '../../src/stream/fold.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import type { Group } from '../../src/wire/group.ts'
import { complaint } from '../support/scripted-rules.ts'
import type { Reply, ScriptedProvider, ScriptedRequest } from '../support/scripted-provider.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { allEvents, type Event } from './events.ts'

export const modes = ['whole', 'in steps', 'in tokens'] as const
export type Mode = (typeof modes)[number]

/** What a request brought, in whichever way it was asked for. */
export interface Outcome {
  run: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it as they like
  messages: any[]
  stop: string
  // oxlint-disable-next-line typescript/no-explicit-any -- the same
  usage: any
  /** Of a stream. */
  given: Event[]
}

/** What each of the cast says, in turn; the last one again and again. */
// oxlint-disable-next-line typescript/no-explicit-any -- the request's body
type Lines = Record<string, Reply[] | ((body: any) => Reply | Promise<Reply>)>

interface TroupeOptions {
  manager?: string
  /** How some of them differ. */
  actors?: Record<string, Record<string, unknown>>
  [setting: string]: unknown
}

export interface Cast extends TestServer {
  actor(name: string, create?: Record<string, unknown>): Promise<AgentState>
  /** A group of new actors; `manager` gets an actor of that name as its agent. */
  troupe(type: string, names: string[], options?: TroupeOptions): Promise<Group>
  play(lines: Lines): void
  /** Whom the model spoke for, in order. */
  asked(): string
  send(path: string, body: unknown, mode?: Mode): Promise<Outcome>
  /** The request of that number for an actor. */
  askedOf(name: string, number?: number): ScriptedRequest
}

/** A server with a model that knows for whom it speaks, and insists on valid prompts. */
export async function startCast(settings: Record<string, string> = {}): Promise<Cast> {
  const server = await startServer(settings)
  const { api, llm } = server
  onTestFinished(() => insistOnValid(llm))
  const actor: Cast['actor'] = (name, create = {}) => api.agent({ name, system: `I am ${name}.`, ...create })
  const play: Cast['play'] = (lines) => {
    const left = new Map(Object.entries(lines))
    llm.script(async (body) => {
      const said = left.get(speakerOf(body)) ?? []
      if (typeof said === 'function') return await said(body)
      return (said.length > 1 ? said.shift() : said[0]) ?? { text: `${speakerOf(body)} speaks.` }
    })
  }
  play({})
  return {
    ...server,
    actor,
    play,
    async troupe(type, names, { manager, actors = {}, ...settingsOf } = {}) {
      const agents = await Promise.all(names.map((name) => actor(name, actors[name])))
      const chief = manager === undefined ? {} : { manager_agent_id: (await actor(manager, actors[manager])).id }
      const manager_config = { manager_type: type, ...chief, ...settingsOf }
      return await api.post('/v1/groups/', { agent_ids: agents.map(({ id }) => id), description: 'a test', manager_config })
    },
    asked: () => llm.requests.map(({ body }) => speakerOf(body)).join(' '),
    send: (path, body, mode = 'whole') => send(server, path, body, mode),
    askedOf: (name, number = 0) => llm.requests.filter(({ body }) => speakerOf(body) === name)[number]!,
  }
}

/** Whose words a model is asked for. */
export const speakerOf = (body: ScriptedRequest['body']): string =>
  /^I am (\w+)\./.exec(body.messages[0].content)?.[1] ?? 'nobody'

/** What a model was shown beside its system prompt, one line for each line of text, call or return. */
export const heard = ({ body }: ScriptedRequest): string[] =>
  // oxlint-disable-next-line typescript/no-explicit-any -- a chat message
  body.messages.slice(1).flatMap(({ role, content, tool_calls }: any) => [
    ...(content ? content.split('\n').map((line: string) => `${role}: ${line}`) : []),
    // oxlint-disable-next-line typescript/no-explicit-any -- a call
    ...(tool_calls ?? []).map((call: any) => `${role} calls ${call.function.name}`),
  ])

/** One word for each message: who, and what. */
export const lines = (messages: Outcome['messages']): string[] =>
  messages.map(({ name, message_type: type, content, tool_call: call, tool_return: returned }) =>
    [type === 'tool_return_message' ? '' : name, type.replace('_message', ''), content ?? call?.name ?? returned]
      .filter(Boolean)
      .join(' '),
  )

/** A model that is shown what it would refuse answers 400: that must never happen. */
function insistOnValid({ requests }: ScriptedProvider) {
  for (const { path, body } of requests) {
    expect(complaint(path, body)).toBeUndefined()
    expect(body.messages.at(-1).role, JSON.stringify(body.messages)).not.toBe('assistant')
  }
}

async function send({ api, url }: TestServer, path: string, body: unknown, mode: Mode): Promise<Outcome> {
  if (mode === 'whole') {
    // oxlint-disable-next-line typescript/no-explicit-any -- a LettaResponse
    const { status, headers, body: answer } = await api.call<any>('POST', path, body)
    expect(status, JSON.stringify(answer)).toBe(200)
    const { messages, stop_reason, usage } = answer
    return { run: headers.get('x-letta-run-id')!, messages, stop: stop_reason.stop_reason, usage, given: [] }
  }
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...(body as object), streaming: true, stream_tokens: mode === 'in tokens' }),
  })
  expect(response.status, mode).toBe(200)
  return collect(response.headers.get('x-letta-run-id')!, await allEvents(response))
}

/** A stream that was read to its end. */
export function collect(run: string, given: Event[]): Outcome {
  const folding = new Folding()
  for (const { data } of given) if (data !== '[DONE]') folding.add(structuredClone(data))
  const { messages, stopReason, usage } = folding.result()
  expect(given.map(({ id }) => id)).toEqual(given.map((_, index) => index + 1))
  return { run, messages, stop: stopReason!.stop_reason, usage, given }
}
