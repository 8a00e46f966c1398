import { Letta } from '@letta-ai/letta-client'
import { getBytes, getLines, getMessages } from '@microsoft/fetch-event-source/lib/cjs/parse.js'
import { expect, test } from 'vitest'
import { readToEnd } from '../support/reader.ts'
import { startServer } from '../support/server.ts'
import { allEvents } from './events.ts'

/** What would end a line, a frame, a JSON text or a stream, if it were taken for more than text. */
const hostile = [
  'line\nfeed',
  'carriage\rreturn',
  'both\r\n\r\n',
  '\n\ndata: [DONE]\n\n',
  'data: {"message_type":"stop_reason"}',
  'event: error',
  'id: 1\nretry: 1',
  ': a comment',
  '[DONE]',
  '\uFEFFbyte order mark',
  'line\u2028and paragraph\u2029separators',
  'NUL \u0000 and bell \u0007 and escape \u001B[2J',
  'a lone high \uD83D one',
  'a lone low \uDE00 one',
  '\uDE00\uD83D the wrong way round',
  'whole 😀 é ﷺ',
  'right \u202E to left, zero\u200B\u200D width, combining e\u0301\u0301',
  '"quotes" \\ and \\n and \\u0000 and </script><!-- ]]>',
  'half an escape \\u',
  '\u0085 next line \u00A0 blank',
]

const event = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

/** As a model's tokens, each a chunk of its own. */
const spoken = (tokens: string[]) => ({
  raw: [...tokens.map((content) => event({ content })), event({}, 'stop'), 'data: [DONE]\n\n'],
})

// oxlint-disable-next-line typescript/no-explicit-any -- a message
type Message = any

const said = (messages: Message[]): string =>
  messages.flatMap(({ message_type: type, content }) => (type === 'assistant_message' ? content : [])).join('')

/** A stream as three parsers read it, which have nothing in common. */
const parsers: Record<string, (url: string, run: string) => Promise<Message[]>> = {
  async 'eventsource-parser'(url, run) {
    const given = await allEvents(await fetch(`${url}/v1/runs/${run}/stream`))
    return given.flatMap(({ data }) => (data === '[DONE]' ? [] : data))
  },
  async 'fetch-event-source'(url, run) {
    const messages: Message[] = []
    const { body } = await fetch(`${url}/v1/runs/${run}/stream`)
    // It calls a block that has only a `retry:` an event without data.
    const onMessage = ({ data }: { data: string }) => void (['', '[DONE]'].includes(data) || messages.push(JSON.parse(data)))
    await getBytes(
      body!,
      getLines(
        getMessages(
          () => {},
          () => {},
          onMessage,
        ),
      ),
    )
    return messages
  },
  async 'letta-client'(url, run) {
    const client = new Letta({ baseURL: url, apiKey: 'any' })
    return await Array.fromAsync((await client.runs.messages.stream(run, {})) as AsyncIterable<Message>)
  },
}

test.each([
  ['whole', hostile],
  ['one character to a token', hostile.flatMap((text) => text.split(''))],
])('F40 F75 what a model says, %s, is stored, streamed and replayed as it came, whatever is in it', async (_, tokens) => {
  const { api, url, llm } = await startServer()
  const { id } = await api.agent()
  const text = tokens.join('')
  llm.script([spoken(tokens)])
  const live = await readToEnd(`${url}/v1/agents/${id}/messages`, {
    method: 'POST',
    body: { input: 'Hi', streaming: true, stream_tokens: true },
  })
  const [run] = await api.get<{ id: string; status: string }[]>('/v1/runs/')
  expect(run!.status).toBe('completed')
  const replayed = await readToEnd(`${url}/v1/runs/${run!.id}/stream`)
  expect(replayed.seen.map((frame) => frame.text)).toEqual(live.seen.map((frame) => frame.text))
  for (const { text: frame } of replayed.seen) {
    // One `data:` line in a frame, and nothing that any client takes for the end of one.
    expect(frame).toMatch(/^id: \d+\ndata: [^\r\n]*\n\n$/)
    expect(frame.slice(0, -2).split('\n')).toHaveLength(2)
  }
  for (const [name, parse] of Object.entries(parsers)) expect(said(await parse(url, run!.id)), name).toBe(text)
  expect(said(await api.get(`/v1/agents/${id}/messages`))).toBe(text)
  llm.script([{ text: 'Once more.' }])
  await api.post(`/v1/agents/${id}/messages`, { input: 'Again?' })
  expect(llm.requests.at(-1)!.body.messages.find(({ role }: { role: string }) => role === 'assistant').content).toBe(text)
})

test.each(hostile)('F75 what somebody sends reaches the model and the list as it was sent: %j', async (text) => {
  const { api, llm } = await startServer()
  const { id } = await api.agent()
  await api.post(`/v1/agents/${id}/messages`, { messages: [{ role: 'user', content: text }] })
  expect(llm.requests[0]!.body.messages.at(-1).content).toBe(text)
  const listed = await api.get<Message[]>(`/v1/agents/${id}/messages`)
  expect(listed.find(({ message_type: type }) => type === 'user_message').content).toBe(text)
})

test('F75 names, descriptions and memory keep what is in them, and none of it breaks a stream', async () => {
  const { api, url } = await startServer()
  const text = hostile.slice(0, 5).join(' ')
  const agent = await api.agent({ name: 'Ann', description: text, memory_blocks: [{ label: 'human', value: text }] })
  expect(await api.get(`/v1/agents/${agent.id}`)).toMatchObject({ description: text, memory: { blocks: [{ value: text }] } })
  const group = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [agent.id], description: text })
  const response = await fetch(`${url}/v1/groups/${group.id}/messages/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ input: text, stream_tokens: true }),
  })
  expect((await allEvents(response)).at(-1)!.data).toBe('[DONE]')
})

test('F75 1 MB is a message like others', async () => {
  const { api, llm } = await startServer()
  const { id } = await api.agent()
  const text = 'é'.repeat(500_000)
  llm.script([{ text, chunk: 65_536 }])
  await api.post(`/v1/agents/${id}/messages`, { input: text })
  expect(llm.requests[0]!.body.messages.at(-1).content).toBe(text)
  expect(said(await api.get(`/v1/agents/${id}/messages`))).toBe(text)
})
