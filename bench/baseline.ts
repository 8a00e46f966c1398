import { Agent, createServer, request as open, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { obey } from './channel.ts'

/*
 * What the server is compared with, as a process; all of it bare node:http.
 *
 * POST /proxy  the model's bytes as they are
 * POST /parse  reads the model's stream and writes one JSON event for each token, with the fields that a frame has; stores nothing
 * POST /keep   the same, and keeps the text in memory: GET /kept is that text, and what comes after it
 */

const agent = new Agent({ keepAlive: true })
let model = ''

/** The events of a stream, as JSON texts. */
function eventReader(onData: (json: string) => void) {
  let rest = ''
  return (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line.startsWith('data: ')) onData(line.slice(6))
  }
}

interface Chunk {
  choices?: { delta: { content?: string } }[]
  delta?: { text?: string }
}

function parse(upstream: IncomingMessage, write: (text: string) => void) {
  let seq = 0
  const head = {
    id: 'message-6d5b8f5e-9a4f-4a51-8d4c-0d7f2f7a3c11',
    date: '2026-01-01T00:00:00+00:00',
    name: 'ana',
    message_type: 'assistant_message',
    otid: 'message-6d5b8f5e-9a4f-4a51-8d4c-0d7f2f7a8000',
    sender_id: 'agent-8d5b8f5e-9a4f-4a51-8d4c-0d7f2f7a3c12',
    step_id: 'step-1d5b8f5e-9a4f-4a51-8d4c-0d7f2f7a3c13',
    is_err: null,
    run_id: 'run-4d5b8f5e-9a4f-4a51-8d4c-0d7f2f7a3c14',
  }
  const read = eventReader((json) => {
    if (json === '[DONE]') return
    const { choices, delta } = JSON.parse(json) as Chunk
    const content = choices?.[0]?.delta.content ?? delta?.text
    if (!content) return
    seq++
    write(`id: ${seq}\ndata: ${JSON.stringify({ ...head, seq_id: seq, content })}\n\n`)
  })
  upstream.setEncoding('utf8').on('data', read)
  upstream.on('end', () => write(`id: ${seq + 1}\ndata: [DONE]\n\n`))
}

/** One run in memory: what was said, in pieces of at least 64 KB, and who listens. */
class Kept {
  readonly pages: Buffer[] = []
  #page = ''
  readonly readers = new Set<ServerResponse>()

  write(text: string) {
    this.#page += text
    if (this.#page.length >= 65_536 || text.endsWith('[DONE]\n\n')) {
      this.pages.push(Buffer.from(this.#page))
      this.#page = ''
    }
    for (const reader of this.readers) reader.write(text)
  }

  async replay(out: ServerResponse) {
    for (const page of this.pages) if (!out.write(page)) await new Promise((resolve) => out.once('drain', resolve))
    if (this.#page !== '') out.write(this.#page)
    this.readers.add(out)
    out.once('close', () => this.readers.delete(out))
  }
}

let kept = new Kept()

function answer(path: string, upstream: IncomingMessage, out: ServerResponse) {
  if (path === '/proxy') return upstream.pipe(out)
  if (path === '/parse') {
    parse(upstream, (text) => out.write(text))
    upstream.on('end', () => out.end())
    return
  }
  const mine = (kept = new Kept())
  mine.readers.add(out)
  parse(upstream, (text) => mine.write(text))
  upstream.on('end', () => out.end())
}

const head = { 'content-type': 'text/event-stream; charset=utf-8' }

const server = createServer((request, out) => {
  if (request.method === 'GET') {
    out.writeHead(200, head)
    return void kept.replay(out)
  }
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => (body += text))
  request.on('end', () => {
    const { dialect } = JSON.parse(body) as { dialect: 'openai' | 'anthropic' }
    const path = dialect === 'openai' ? '/chat/completions' : '/messages'
    const call = open(model + path, { method: 'POST', agent }, (upstream) => {
      out.writeHead(200, head)
      answer(request.url!, upstream, out)
    })
    call.end(body)
  })
})

obey({
  /** @returns its address */
  async listen(modelUrl: string) {
    model = modelUrl
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  },
})
