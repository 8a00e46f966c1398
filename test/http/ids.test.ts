import { type IncomingHttpHeaders, request } from 'node:http'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import { startServer } from '../support/server.ts'

const uuid = newId('run').slice(4)

const bad = [
  'x',
  uuid,
  `group-${uuid.toUpperCase()}`,
  `GROUP-${uuid}`,
  `group-${uuid}x`,
  `group-${uuid.slice(1)}`,
  `wrong-${uuid}`,
  '..%2f..%2fetc%2fpasswd',
  '%00',
  `group-${uuid}%00`,
  '%E0%A4%A',
  '%F0%9F%98%80',
  "'%20OR%201=1--",
  'a'.repeat(5000),
  '%0d%0aset-cookie:%20a=b',
  '__proto__',
  'constructor',
]

/** With the path as it is: fetch would tidy it up. */
function call(url: string, method: string, path: string, body: string | undefined) {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }
    const sent = request(url, { method, path, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

test(
  'F74 an id that is none, in every place of every route, is refused in one form and does nothing',
  { timeout: 300_000 },
  async () => {
    const { api, url } = await startServer()
    await api.group(['Ann', 'Bob'])
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> }
    const kept = async () => [await api.get('/v1/groups/'), await api.get('/v1/agents/'), await api.get('/v1/runs/')]
    const before = await kept()
    const requests = Object.entries(paths).flatMap(([path, methods]) =>
      path.includes('{')
        ? bad.flatMap((id) => Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path, id })))
        : [],
    )
    expect(requests.length).toBeGreaterThan(1000)
    const send = async ({ method, path, id }: (typeof requests)[number]) => {
      const body = ['POST', 'PUT', 'PATCH'].includes(method) ? '{}' : undefined
      const { status, headers, text } = await call(url, method, path.replaceAll(/\{\w+\}/g, id), body)
      const what = `${method} ${path} ${id.slice(0, 50)} → ${status} ${text.slice(0, 200)}`
      expect.soft([404, 405, 422], what).toContain(status)
      // OpenAI's clients are told in OpenAI's form.
      expect.soft(Object.keys(JSON.parse(text))[0], what).toBe(path.startsWith('/openai/') ? 'error' : 'detail')
      expect.soft(headers['set-cookie'], what).toBeUndefined()
    }
    for (let first = 0; first < requests.length; first += 16) await Promise.all(requests.slice(first, first + 16).map(send))
    expect(await kept()).toEqual(before)
  },
)
