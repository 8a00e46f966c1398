import { describe, expect, onTestFinished, test } from 'vitest'
import { readFrame, splitFrames } from '../../src/stream/frame.ts'
import type { AgentState } from '../../src/wire/agent.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import { anthropicDialect, type Dialect, openAiDialect } from '../support/scripted-dialects.ts'
import { type Reply, scriptedProvider, type ScriptedRequest } from '../support/scripted-provider.ts'
import { range } from '../support/log.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { collect, type Outcome } from './cast.ts'
import type { Event } from './events.ts'

/** So many agents are cut off at once, each at one place after another: most of the time a model is waited for that is tried again. */
const LANES = 160

const reasoning = 'Let me note it: é€😀.'
const text = 'I note it für dich.'
/** Says which cut it belongs to: a tool that ran left exactly this. */
const argumentsOf = (at: number) => JSON.stringify({ label: 'notes', new_string: `note ${padded(at)}` })
const padded = (at: number) => String(at).padStart(5, '0')

/** An answer of reasoning, text and a call, as it is on the wire; of the same length wherever it is cut. */
function answerOf(dialect: Dialect, at: number): { bytes: Buffer; whole: number } {
  const args = argumentsOf(at)
  const before = [
    dialect.begin(),
    dialect.piece({ reasoning }),
    dialect.piece({ text }),
    dialect.piece({ call: { index: 0, id: `call_${padded(at)}`, name: 'memory_insert' } }),
    dialect.piece({ index: 0, arguments: args.slice(0, 20) }),
    dialect.piece({ index: 0, arguments: args.slice(20) }),
  ].join('')
  const end = dialect.end('tool_calls')
  // What says why it ended: OpenAI's first event of the end, Anthropic's last.
  const finish = end.includes('[DONE]') ? end.slice(0, end.indexOf('\n\n') + 2) : end
  return { bytes: Buffer.from(brief(before + end)), whole: Buffer.byteLength(brief(before + finish)) }
}

/** Without what every chunk repeats, and nobody reads: each byte is a run. */
const brief = (wire: string) =>
  wire
    .replaceAll('"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"scripted",', '')
    .replaceAll(/,"(prompt|completion)_tokens_details":\{[^}]*\}|,"cache_\w+_input_tokens":0/g, '')
    .replaceAll(/,"(finish_reason|stop_reason|stop_sequence)":null/g, '')

/** The input says behind which byte the answer is cut: always, or the first time only. What follows the tool's return is whole. */
function cutting(dialect: () => Dialect, always: boolean) {
  const cut = new Set<number>()
  return ({ messages }: ScriptedRequest['body']): Reply => {
    const last = messages.at(-1)
    if (last.role === 'tool' || JSON.stringify(last).includes('tool_result')) return { text: 'Done.' }
    const input = JSON.stringify(messages)
      .match(/Cut at \d+/g)!
      .at(-1)!
    const at = Number(input.slice('Cut at '.length))
    const { bytes } = answerOf(dialect(), at)
    const whole = !always && cut.has(at)
    cut.add(at)
    return { raw: [whole ? bytes : bytes.subarray(0, at)], cut: !whole && at < bytes.length }
  }
}

/** The stream of a run that was sent to its end, and how it is stored. */
async function runOf({ url, api }: TestServer, agent: AgentState, at: number) {
  const response = await api.stream(`/v1/agents/${agent.id}/messages`, {
    input: `Cut at ${at}`,
    streaming: true,
    stream_tokens: true,
  })
  const frames = splitFrames(await response.text())
  const given = frames.map((frame): Event => {
    const id = Number(/^id: (\d+)/.exec(frame)![1])
    return { id, event: undefined, data: readFrame(frame) ?? '[DONE]' }
  })
  const outcome = collect(response.headers.get('x-letta-run-id')!, given)
  const listed = (await (await fetch(`${url}/v1/runs/${outcome.run}/messages`)).json()) as LettaMessage[]
  return { outcome, listed: listed.slice(1) }
}

const ending = new Set(['stop_reason', 'usage_statistics', 'error_message'])

/** One end, of this kind, and the rows say what the frames say. */
function expectOneEnd({ given, messages }: Outcome, listed: LettaMessage[], end: string[]) {
  const types = given.map(({ data }) => data.message_type ?? data)
  expect(types.slice(-3)).toEqual([...end, '[DONE]'])
  expect(types.slice(0, -3).filter((type) => ending.has(type) || type === '[DONE]')).toEqual([])
  const said = messages.filter(({ message_type: type }) => type !== 'event_message')
  const plain = (all: LettaMessage[]) => all.map((message) => ({ ...message, seq_id: null, is_err: null }))
  expect(plain(listed)).toEqual(plain(said))
}

/** What is said in a list, one line for each message. */
const shown = (listed: LettaMessage[]): string[] =>
  listed.map((message) => {
    if (message.message_type === 'reasoning_message') return `thinks ${message.reasoning}`
    if (message.message_type === 'assistant_message') return `says ${JSON.stringify(message.content)}`
    if (message.message_type === 'tool_call_message') return `calls ${message.tool_call.arguments}`
    return message.message_type === 'tool_return_message' ? `${message.status} return` : message.message_type
  })

const whole = (at: number) => [
  `thinks ${reasoning}`,
  `says "${text}"`,
  `calls ${argumentsOf(at)}`,
  'success return',
  'says "Done."',
]

/** A beginning of the answer, and nothing else: of each message, of all of them, and the call has its return. */
function expectBeginning(at: number, listed: LettaMessage[]) {
  const lines = shown(listed)
  const said = lines.filter((line) => !line.endsWith(' return'))
  const all = whole(at)
  expect({ at, said: said.slice(0, -1) }).toEqual({ at, said: all.slice(0, Math.max(0, said.length - 1)) })
  expect(all[said.length - 1] ?? '', `byte ${at}`).toSatisfy((one: string) => one.startsWith(said.at(-1) ?? ''))
  expect(lines.slice(said.length)).toEqual(said.length === 3 ? ['error return'] : [])
  expect(listed.map(({ is_err }) => is_err)).toEqual(listed.map(() => true))
}

type Made = Awaited<ReturnType<typeof runOf>> & { at: number }

/**
 * Cuts the answer at each of these places, in runs of their own.
 *
 * @param check of each run, as soon as it has ended @returns whether it must have called its tool
 */
async function cutAt(server: TestServer, model: string, places: number[], check: (made: Made) => boolean) {
  const { api } = server
  const left = [...places]
  const [insert] = await api.get<{ id: string }[]>('/v1/tools/?name=memory_insert')
  const lane = async () => {
    const memory_blocks = [{ label: 'notes', value: 'Notes:' }]
    const agent = await api.agent({ model, tool_ids: [insert!.id], memory_blocks })
    const notes = ['Notes:']
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      if (check({ at, ...(await runOf(server, agent, at)) })) notes.push(`note ${padded(at)}`)
    }
    const block = await api.get<{ value: string }>(`/v1/agents/${agent.id}/core-memory/blocks/notes`)
    expect(block.value.split('\n')).toEqual(notes)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  expect(await api.get('/v1/runs/?active=true')).toEqual([])
}

async function startBoth(settings: Record<string, string> = {}): Promise<TestServer> {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const both = { OPENAI_BASE_URL: llm.url, ANTHROPIC_BASE_URL: llm.url, ANTHROPIC_API_KEY: 'sk-test-canary' }
  return { ...(await startServer({ ...both, ...settings })), llm }
}

/** With another try every byte would be as many runs again: one in so many is enough to meet every kind of place. */
const EVERY = 7

const dialects = [
  { model: 'openai/scripted', dialect: openAiDialect },
  { model: 'anthropic/scripted', dialect: anthropicDialect },
]

describe.each(dialects)('$model', ({ model, dialect }) => {
  const { bytes, whole: enough } = answerOf(dialect('scripted'), 0)

  test('F35 a model that is always cut behind the same byte fails its run, once, and no half call is run', async () => {
    const server = await startBoth({ ROUNDTABLE_STEP_RETRIES: '0' })
    server.llm.script(cutting(() => dialect('scripted'), true))
    let failed = 0
    await cutAt(server, model, range(0, bytes.length), ({ at, outcome, listed }) => {
      // The end of a stream closes its last line; whoever cut it off does not.
      if (at < enough - 2 || at >= enough)
        expect({ at, stop: outcome.stop }).toEqual({ at, stop: at < enough ? 'llm_api_error' : 'end_turn' })
      if (outcome.stop === 'end_turn') {
        expectOneEnd(outcome, listed, ['stop_reason', 'usage_statistics'])
        expect(shown(listed)).toEqual(whole(at))
        return true
      }
      failed++
      expectOneEnd(outcome, listed, ['stop_reason', 'error_message'])
      expectBeginning(at, listed)
      return false
    })
    expect(failed).toBeGreaterThanOrEqual(enough - 2)
  }, 180_000)

  test('F35 a model that is cut behind any byte once says all of it, once, and its call is run once', async () => {
    const server = await startBoth()
    const places = range(0, bytes.length).filter((at) => at % EVERY === 0)
    server.llm.script(cutting(() => dialect('scripted'), false))
    await cutAt(server, model, places, ({ at, outcome, listed }) => {
      expectOneEnd(outcome, listed, ['stop_reason', 'usage_statistics'])
      expect({ at, stop: outcome.stop }).toEqual({ at, stop: 'end_turn' })
      expect({ at, shown: shown(listed) }).toEqual({ at, shown: whole(at) })
      const again = outcome.messages.filter(({ event_type: type }) => type === 'step_retry' || type === 'model_retry')
      if (at < enough - 2 || at >= enough) expect({ at, again: again.length }).toEqual({ at, again: at < enough ? 1 : 0 })
      return true
    })
  }, 180_000)
})
