import fc from 'fast-check'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { Agent } from 'undici'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { directConnector } from '../../src/llm/direct-socket.ts'
import { selfSigned } from '../support/self-signed.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

const servers: [string, (answer: Listener) => NetServer, string, string][] = [
  ['HTTP/1.1', createServer, 'http', '1.1'],
  ['HTTP/1.1 over TLS', (answer) => createTlsServer(selfSigned, answer), 'https', '1.1'],
  ['HTTP/2', (answer) => createSecureServer(selfSigned, answer as never), 'https', '2.0'],
]

beforeAll(() => setDefaultCACertificates([...getCACertificates(), selfSigned.cert]))

/** What the server sends as an answer, write for write; and after how many chunks its reader waits, and for how many turns. */
const asked = fc.record({
  writes: fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { minLength: 1, maxLength: 30 }),
  /** How often each is repeated in its write: some are longer than all buffers. */
  times: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 3) }, { weight: 1, arbitrary: fc.constant(2000) }),
  waitsEvery: fc.constantFrom(Infinity, 1, 3),
  turns: fc.constantFrom(1, 10),
})

async function wait(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test.each(servers)(
  'what comes by %s is read whole and in order, by who waits and who does not, and may be kept',
  async (_, create, scheme, version) => {
    const answers = new Map<string, Buffer[]>()
    const versions = new Set<string>()
    const answer = async ({ url, httpVersion }: IncomingMessage, response: ServerResponse) => {
      versions.add(httpVersion)
      for (const write of answers.get(url!)!) {
        if (!response.write(write)) await once(response, 'drain')
        await wait(1)
      }
      response.end()
    }
    const server = create((request, response) => void answer(request, response))
    server.listen(0, 'localhost')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const agent = new Agent({ connect: directConnector({ timeout: 10_000 }) })
    onTestFinished(async () => {
      await agent.destroy()
      server.close()
    })
    const read = (path: string, waitsEvery: number, turns: number) =>
      new Promise<Buffer>((resolve, reject) => {
        const chunks: Buffer[] = []
        agent.dispatch(
          { origin: `${scheme}://localhost:${port}`, path, method: 'GET' },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseData(controller, chunk) {
              chunks.push(chunk)
              if (chunks.length % waitsEvery !== 0) return
              controller.pause()
              void wait(turns).then(() => controller.resume())
            },
            onResponseEnd: () => resolve(Buffer.concat(chunks)),
            onResponseError: (__, error) => reject(error),
          },
        )
      })
    let paths = 0
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 6 }), async (wanted) => {
        // All at the same time: what one socket reads must not get into another's answer.
        const each = wanted.map(async ({ writes, times, waitsEvery, turns }) => {
          const path = `/${++paths}`
          const sent = writes.map((write) => Buffer.concat(Array.from({ length: times }, () => write)))
          answers.set(path, sent)
          expect((await read(path, waitsEvery, turns)).equals(Buffer.concat(sent))).toBe(true)
        })
        await Promise.all(each)
      }),
      { numRuns: 40 },
    )
    expect([...versions]).toEqual([version])
  },
)
