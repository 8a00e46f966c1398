import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { aiSdk } from '../../src/llm/ai-sdk.ts'
import { openAiCompatible } from '../../src/llm/openai.ts'
import { selfSigned } from '../support/self-signed.ts'
import { closing, failing, KEY, quick } from './call.ts'

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

const closedPort = async () => {
  const server = createServer()
  const port = await portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

/** Where the address leads to, what the error says, and how often it is tried: what passes by itself three times. */
const cases: [string, () => Promise<string>, RegExp, number][] = [
  ['a name that nobody has', async () => 'http://no-such-host.invalid/v1', /no-such-host\.invalid.*(ENOTFOUND|EAI_AGAIN)/, 0],
  ['a port where nobody listens', async () => `http://127.0.0.1:${await closedPort()}/v1`, /127\.0\.0\.1:\d+.*ECONNREFUSED/, 2],
  [
    'a certificate that nobody signed',
    async () => `https://127.0.0.1:${await portOf(createTlsServer(selfSigned))}/v1`,
    /127\.0\.0\.1:\d+.*self-signed certificate/,
    0,
  ],
  [
    'no TLS where TLS is asked for',
    async () => `https://127.0.0.1:${await portOf(createServer((socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n')))}/v1`,
    /127\.0\.0\.1:\d+.*(SSL|wrong version)/i,
    0,
  ],
  [
    'a reset in the middle of the TLS handshake',
    async () =>
      `https://127.0.0.1:${await portOf(createServer((socket) => void socket.once('data', () => socket.resetAndDestroy())))}/v1`,
    /127\.0\.0\.1:\d+.*ECONNRESET/,
    2,
  ],
  [
    'a hang-up in the middle of the TLS handshake',
    async () =>
      `https://127.0.0.1:${await portOf(createServer((socket) => void socket.once('data', () => socket.destroy())))}/v1`,
    /127\.0\.0\.1:\d+.*ECONNRESET/,
    2,
  ],
  [
    'garbage instead of HTTP',
    async () =>
      `http://127.0.0.1:${await portOf(createServer((socket) => void socket.once('data', () => socket.end('220 mail ESMTP\r\n'))))}/v1`,
    /127\.0\.0\.1:\d+/,
    2,
  ],
]

test.each(cases)('F43 %s: the error names the host and never the key', async (_, address, says, retries) => {
  const baseUrl = await address()
  const providers = [
    closing(openAiCompatible({ name: 'openai', baseUrl, apiKey: KEY }, quick)),
    closing(aiSdk({ kind: 'anthropic', name: 'anthropic', baseUrl, apiKey: KEY }, quick)),
  ]
  for (const provider of providers) {
    const { deltas, error } = await failing(provider)
    expect(error).toMatchObject({ kind: 'connection', status: 500, errorType: 'llm_error', stopReason: 'llm_api_error' })
    expect(error.message).toMatch(says)
    expect(JSON.stringify([error.message, error, deltas])).not.toContain('secret')
    expect(deltas.filter(({ type }) => type === 'retrying')).toHaveLength(retries)
  }
})
