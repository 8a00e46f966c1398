import { request } from 'node:http'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { startServer } from '../support/server.ts'
import { allEvents, events, upTo } from './events.ts'

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
const tokens = { ...hi, streaming: true, stream_tokens: true }

test.each(['OPENAI_BASE_URL', 'OPENAI_API_BASE'])('an openai/… agent speaks through %s, with our key', async (setting) => {
  const other = await scriptedProvider()
  try {
    const { api, llm } = await startServer({ OPENAI_BASE_URL: '', [setting]: `${other.url}/`, OPENAI_API_KEY: 'sk-other' })
    const { id } = await api.agent({ model: 'openai/gpt-4o-mini' })
    await api.post(`/v1/agents/${id}/messages`, hi)
    expect(other.requests).toMatchObject([
      { path: '/v1/chat/completions', headers: { authorization: 'Bearer sk-other' }, body: { model: 'gpt-4o-mini' } },
    ])
    expect(llm.requests).toEqual([])
    expect(await api.get('/v1/models/')).toContainEqual(expect.objectContaining({ handle: 'openai/scripted-small' }))
  } finally {
    await other.close()
  }
})

/** Without fetch, which would resolve the dots of a path. */
const statusOf = (url: string, path: string, headers: Record<string, string> = {}) =>
  new Promise<number>((resolve, reject) => {
    request(url, { path, headers, agent: false }, (answer) => resolve(answer.resume().statusCode!))
      .on('error', reject)
      .end()
  })

test('with a password everything but health wants it, as Letta’s clients send it', async () => {
  const password = 'correct horse: battery'
  const { url, api } = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: password })
  const status = (headers: Record<string, string> = {}, path = '/v1/groups/') => statusOf(url, path, headers)
  expect(await status()).toBe(401)
  const wrong: Record<string, string>[] = [
    { authorization: 'Bearer wrong' },
    { authorization: password },
    { authorization: 'Bearer ' },
    { authorization: `Basic ${btoa(password)}` },
    { 'x-bare-password': password },
    { 'x-bare-password': 'password wrong' },
  ]
  for (const headers of wrong) expect([headers, await status(headers)]).toEqual([headers, 401])
  expect(await status({ 'x-bare-password': `password ${password}` })).toBe(200)
  expect(await status({}, '/v1/health/')).toBe(200)
  expect(await status({}, '/v1/ready')).toBe(200)
  for (const path of ['/v1/health/../groups/', '/v1/health/%2e%2e/groups/', '/latest/groups/', '/v1/runs/', '/v1/models/']) {
    expect([path, await status({}, path)]).toEqual([path, 401])
  }
  expect(await status({}, '//v1/groups/')).not.toBe(200)
  expect((await api.call('POST', '/v1/agents/', {})).body).toEqual({ detail: 'Unauthorized' })
})

test('a password without blanks works as a bearer token', async () => {
  const { url } = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 's3cret' })
  expect(await statusOf(url, '/v1/groups/', { authorization: 'Bearer s3cret' })).toBe(200)
  expect(await statusOf(url, '/v1/groups/', { authorization: 'bearer s3cret' })).toBe(200)
  expect(await statusOf(url, '/v1/groups/', { authorization: 'Bearer s3cret2' })).toBe(401)
})

test('in silence a keepalive comes: a ping with the last number, not stored, not sent again', async () => {
  const { api, url, llm } = await startServer({ LETTA_KEEPALIVE_INTERVAL: '0.02' })
  const { id } = await api.agent({ name: 'Ann' })
  const held = llm.hold()
  const stream = events(await api.stream(`/v1/agents/${id}/messages`, tokens))
  const first = await upTo(stream, 'ping')
  expect(first).toMatchObject({ id: 1, data: { seq_id: 1 } })
  held.push('Hm ')
  const { id: last } = await upTo(stream, 'assistant_message')
  const run = first.data.run_id
  for (let i = 0; i < 2; i++) {
    const keepalive = await upTo(stream, 'ping')
    expect(keepalive).toMatchObject({ id: undefined, data: { seq_id: last, run_id: run } })
  }
  const late = events(await api.stream(`/v1/runs/${run}/stream`, { starting_after: last }))
  expect(await upTo(late, 'ping')).toMatchObject({ id: undefined, data: { seq_id: last } })
  held.finish()
  await Promise.all([Array.fromAsync(stream), Array.fromAsync(late)])
  const again = await allEvents(await fetch(`${url}/v1/runs/${run}/stream`))
  expect(again.map(({ data }) => data.message_type ?? data)).toEqual([
    'ping',
    'assistant_message',
    'stop_reason',
    'usage_statistics',
    '[DONE]',
  ])
})

test('without pings a keepalive is a comment', async () => {
  const { api, llm } = await startServer({ LETTA_KEEPALIVE_INTERVAL: '0.02' })
  const { id } = await api.agent()
  const held = llm.hold()
  const { body } = await api.stream(`/v1/agents/${id}/messages`, { ...tokens, include_pings: false })
  const stream = body!.pipeThrough(new TextDecoderStream())
  let text = ''
  for await (const part of stream) {
    text += part
    if (text.includes(': keep-alive\n\n')) held.finish()
  }
  expect(text).not.toContain('"ping"')
  expect(text).toMatch(/data: \[DONE\]\n\n$/)
})

test('an empty setting is one that is not set', () => {
  expect(readConfig({ PORT: '', HOST: '', OPENAI_API_KEY: '', LETTA_SERVER_SECURE: '' })).toMatchObject({
    port: 8283,
    host: '127.0.0.1',
    password: undefined,
    keepaliveMs: 20_000,
    requestTimeoutMs: 60_000,
    streamTimeoutMs: 600_000,
    totalTimeoutMs: 1_800_000,
    answerLimitBytes: 33_554_432,
    providers: [],
  })
})

test('all bad settings are named at once', () => {
  const bad = {
    PORT: '99999',
    LETTA_KEEPALIVE_INTERVAL: 'soon',
    LETTA_SERVER_SECURE: 'perhaps',
    ROUNDTABLE_DEFAULT_MODEL: 'chat',
  }
  let said = ''
  try {
    readConfig(bad)
  } catch (error) {
    said = String(error)
  }
  for (const name of Object.keys(bad)) expect(said).toContain(name)
})

test.each([
  [{ ROUNDTABLE_CORS_ORIGINS: 'a-page.example' }, /ROUNDTABLE_CORS_ORIGINS/],
  [{ ROUNDTABLE_CORS_ORIGINS: 'https://a-page.example/path' }, /ROUNDTABLE_CORS_ORIGINS/],
  [{ ROUNDTABLE_ALLOWED_HOSTS: 'http://a.example' }, /ROUNDTABLE_ALLOWED_HOSTS/],
  [{ ROUNDTABLE_ALLOWED_HOSTS: 'a.example:80' }, /ROUNDTABLE_ALLOWED_HOSTS/],
  [{ ROUNDTABLE_OPEN_RUNS: '0' }, /ROUNDTABLE_OPEN_RUNS/],
  [{ OPENAI_BASE_URL: 'localhost:1234' }, /OPENAI_BASE_URL=localhost:1234 is not/],
  [{ OLLAMA_BASE_URL: 'nonsense' }, /OLLAMA_BASE_URL/],
  [{ PORT: '-1' }, /PORT/],
  [{ PORT: '80.5' }, /PORT/],
])('%o is refused', (env, says) => {
  expect(() => readConfig(env)).toThrow(says)
})

test.each([
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['localhost', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.168.1.5', false],
  ['127.0.0.1.evil.example', false],
])('HOST=%s is loopback: %s', (HOST, loopback) => {
  expect(readConfig({ HOST }).loopback).toBe(loopback)
})

test('a password counts only where it is switched on', () => {
  expect(readConfig({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'x' }).password).toBe('x')
  expect(readConfig({ LETTA_SERVER_PASSWORD: 'x' }).password).toBeUndefined()
})

test.each([
  [{ OLLAMA_BASE_URL: 'http://localhost:11434' }, 'ollama', 'http://localhost:11434/v1', undefined],
  [{ OLLAMA_BASE_URL: 'http://localhost:11434/' }, 'ollama', 'http://localhost:11434/v1', undefined],
  [{ OLLAMA_BASE_URL: 'http://localhost:11434/v1' }, 'ollama', 'http://localhost:11434/v1', undefined],
  [{ VLLM_API_BASE: 'http://gpu:8000' }, 'vllm', 'http://gpu:8000/v1', undefined],
  [{ OPENAI_API_KEY: 'k' }, 'openai', 'https://api.openai.com/v1', 'k'],
  [{ OPENAI_BASE_URL: 'http://proxy/' }, 'openai', 'http://proxy', undefined],
  [{ OPENAI_BASE_URL: '', OPENAI_API_BASE: 'http://old/v1', OPENAI_API_KEY: 'k' }, 'openai', 'http://old/v1', 'k'],
  [{ GROQ_API_KEY: 'k' }, 'groq', 'https://api.groq.com/openai/v1', 'k'],
])('%o gives %s at %s', (env, name, baseUrl, apiKey) => {
  expect(readConfig(env).providers).toEqual([{ kind: 'compatible', name, baseUrl, apiKey }])
})
