import { expect, test } from 'vitest'
import { openAiDialect } from '../support/scripted-dialects.ts'
import type { Reply } from '../support/scripted-provider.ts'
import { complaint } from '../support/scripted-rules.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { allEvents, spoken, words } from './events.ts'

/** Three messages: what it thinks, what it says, and what it does. */
function reply(): { bytes: Buffer; whole: number } {
  const model = openAiDialect('m')
  const before =
    model.begin() +
    model.piece({ reasoning: 'Hm.' }) +
    model.piece({ text: 'I write ' }) +
    model.piece({ text: 'it down.' }) +
    model.piece({ call: { index: 0, id: 'call_1', name: 'memory_insert' } }) +
    model.piece({ index: 0, arguments: '{"label": "human", ' }) +
    model.piece({ index: 0, arguments: '"new_string": "x"}' })
  const end = model.end('tool_calls')
  return { bytes: Buffer.from(before + end), whole: Buffer.byteLength(before + end.slice(0, end.indexOf('\n\n') + 2)) }
}

const { bytes, whole } = reply()

/** A run whose model's name says behind which byte it is cut off; and what came of it. */
async function cutAt({ api }: TestServer, at: number) {
  const { id } = await api.agent({ name: 'Ann', include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] })
  const given = await allEvents(
    await api.stream(`/v1/agents/${id}/messages`, {
      input: 'Hi',
      streaming: true,
      stream_tokens: true,
      override_model: `openai/${at}`,
    }),
  )
  const { value } = await api.get<{ value: string }>(`/v1/agents/${id}/core-memory/blocks/human`)
  const run = await api.get<{ status: string; stop_reason: string }>(`/v1/runs/${given[0]!.data.run_id}`)
  return { at, id, given, run, written: value }
}

/** Each ends, once, with its number in order; and nobody was shown a history that no model takes. */
async function each(server: TestServer, places: number[], check: (outcome: Awaited<ReturnType<typeof cutAt>>) => void) {
  for (let first = 0; first < places.length; first += 64) {
    const some = places.slice(first, first + 64).map((at) => cutAt(server, at))
    for (const outcome of await Promise.all(some)) {
      const said = words(outcome.given)
      expect(said.at(-1), `byte ${outcome.at}`).toBe('[DONE]')
      expect(said.filter((word) => word.startsWith('stop_reason') || word === '[DONE]')).toHaveLength(2)
      expect(outcome.given.map(({ id }) => id)).toEqual(said.map((_, index) => index + 1))
      check(outcome)
    }
  }
  expect(await server.api.get('/v1/runs/?active=true')).toEqual([])
  for (const { path, body } of server.llm.requests) expect(complaint(path, body)).toBeUndefined()
}

const cut = (at: number): Reply => ({ raw: [bytes.subarray(0, at)], cut: at < bytes.length })

test(
  'F35 a reply of three messages, cut at every byte: the run ends, once, and half a call of a tool is never run',
  { timeout: 300_000 },
  async () => {
    const server = await startServer({ ROUNDTABLE_STEP_RETRIES: '0' })
    server.llm.script(({ model, messages }) => (messages.at(-1).role === 'tool' ? { text: 'Done.' } : cut(Number(model))))
    const places = Array.from({ length: bytes.length }, (_, at) => at)
    await each(server, places, ({ at, run, written, given }) => {
      const ran = at >= whole
      expect(written, `byte ${at}`).toBe(ran ? 'x' : '')
      expect(run, `byte ${at}`).toMatchObject(
        ran ? { status: 'completed' } : { status: 'failed', stop_reason: 'llm_api_error' },
      )
      if (ran) expect(spoken(given).at(-1)).toBe('Ann: Done.')
    })
  },
)

test('F35 and when it is asked again: the tool is run once, and no two answers are one', { timeout: 300_000 }, async () => {
  const server = await startServer()
  const asked = new Set<string>()
  server.llm.script(({ model, messages }) => {
    if (messages.at(-1).role === 'tool') return { text: 'Done.' }
    const again = asked.has(model)
    asked.add(model)
    return cut(again ? bytes.length : Number(model))
  })
  const places = Array.from({ length: Math.ceil(bytes.length / 17) }, (_, index) => index * 17)
  await each(server, places, ({ at, run, written, given }) => {
    expect(run, `byte ${at}`).toMatchObject({ status: 'completed', stop_reason: 'end_turn' })
    expect(written, `byte ${at}`).toBe('x')
    const listed = spoken(given)
    // The last two messages are those that count: whatever had been shown before was withdrawn, under ids of its own.
    expect(listed.slice(-2), `byte ${at}`).toEqual(['Ann: I write it down.', 'Ann: Done.'])
  })
})
