import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { obey } from './channel.ts'
import { nowUs } from './clock.ts'
import { token } from './token.ts'

/*
 * The model, as a process: answers any request in the manner of OpenAI's chat completions, or of Anthropic's messages, by the
 * path. What it says is in its name: `paced-300-20` is 300 tokens, one every 20 ms, `paced-300-20-400` the same with 400 characters
 * behind each; `burst-2000` is 2000 as fast as the socket takes them; `silent-1` says one and then nothing.
 */

/** How a maker writes an answer; `rest` is what stands behind its last token. */
interface Dialect {
  begin: string
  token(text: string): string
  rest: string
}

const chunk = (choices: string, more = '') =>
  `data: {"id":"chatcmpl-Bxw1kEr0BcYQqMxJ9Mm4b8cz2Hd7k","object":"chat.completion.chunk","created":1764000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[${choices}]${more}}\n\n`
const choice = (delta: string, finish = 'null') =>
  chunk(`{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}`)
const openAi: Dialect = {
  begin: choice('{"role":"assistant","content":"","refusal":null}'),
  token: (text) => choice(`{"content":"${text}"}`),
  rest: `${choice('{}', '"stop"')}${chunk('', ',"usage":{"prompt_tokens":100,"completion_tokens":300,"total_tokens":400}')}data: [DONE]\n\n`,
}

const event = (type: string, more = '') => `event: ${type}\ndata: {"type":"${type}"${more}}\n\n`
const anthropic: Dialect = {
  begin:
    event(
      'message_start',
      ',"message":{"id":"msg_01","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}',
    ) + event('content_block_start', ',"index":0,"content_block":{"type":"text","text":""}'),
  token: (text) => event('content_block_delta', `,"index":0,"delta":{"type":"text_delta","text":"${text}"}`),
  rest:
    event('content_block_stop', ',"index":0') +
    event('message_delta', ',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":300}') +
    event('message_stop'),
}

/** A token each `everyMs`, however late the timers are. */
function pace(out: ServerResponse, { begin, token: write, rest }: Dialect, count: number, everyMs: number, more: string) {
  out.write(begin)
  const start = nowUs() / 1000
  let index = 0
  const tick = () => {
    if (out.destroyed) return
    out.write(write(token(index++) + more))
    if (index === count) return out.end(rest)
    setTimeout(tick, Math.max(0, start + (index + 1) * everyMs - nowUs() / 1000))
  }
  setTimeout(tick, everyMs)
}

/** Tokens that share a write: a fast model's come many in one packet. */
const BURST = 8

function burst(out: ServerResponse, { begin, token: write, rest }: Dialect, count: number) {
  out.write(begin)
  let index = 0
  const more = () => {
    while (index < count && !out.destroyed) {
      let text = ''
      for (const until = Math.min(count, index + BURST); index < until; index++) text += write(token(index))
      if (!out.write(text)) return out.once('drain', more)
    }
    out.end(rest)
  }
  more()
}

const server = createServer((request, out) => {
  let body = ''
  request.setEncoding('utf8').on('data', (text: string) => (body += text))
  request.on('end', () => {
    if (request.method === 'GET') return out.end('{"object":"list","data":[]}')
    const dialect = request.url!.endsWith('/messages') ? anthropic : openAi
    const [manner, count, everyMs, more = 0] = (JSON.parse(body) as { model: string }).model.split('-')
    out.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    if (manner === 'paced') pace(out, dialect, Number(count), Number(everyMs), 'x'.repeat(Number(more)))
    else if (manner === 'burst') burst(out, dialect, Number(count))
    else out.write(dialect.begin + dialect.token(token(0)))
  })
})

obey({
  /** @returns its base address */
  async listen() {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  },
})
