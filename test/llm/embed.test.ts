import { expect, test } from 'vitest'
import { createEmbedding } from '../../src/llm/embed.ts'
import { ProviderError } from '../../src/llm/errors.ts'
import { KEY, scripted } from './call.ts'

const options = { requestTimeoutMs: 60_000, answerLimitBytes: 2 ** 24, retry: { backoffMs: [0, 0] } }

async function embedding(over: Partial<typeof options> = {}) {
  const llm = await scripted()
  const settings = { kind: 'compatible' as const, name: 'openai', baseUrl: llm.url, apiKey: KEY }
  return { llm, embed: createEmbedding('openai/text-embedding-3-small', [settings], { ...options, ...over }) }
}

const answer = (...vectors: number[][]) => ({
  status: 200,
  body: { data: vectors.map((vector, index) => ({ index, embedding: vector })).toReversed() },
})

test('each text has its vector, in order, whatever the order of the answer', async () => {
  const { llm, embed } = await embedding()
  llm.script([answer([1, 2], [3, 4])])
  expect(await embed(['a', 'b\ud800'])).toEqual([
    [1, 2],
    [3, 4],
  ])
  expect(llm.requests[0]).toMatchObject({
    path: '/v1/embeddings',
    headers: { authorization: `Bearer ${KEY}` },
    body: { model: 'text-embedding-3-small', input: ['a', 'b\ufffd'], encoding_format: 'float' },
  })
  expect(embed.model).toBe('openai/text-embedding-3-small')
  await embed.close()
})

test('many texts go in several requests, long ones in part', async () => {
  const { llm, embed } = await embedding()
  llm.script((body: { input: string[] }) => answer(...body.input.map((text) => [text.length])))
  const vectors = await embed(Array.from({ length: 250 }, (_, i) => 'x'.repeat(i * 100 + 1)))
  expect(vectors.map(([length]) => length)).toEqual(Array.from({ length: 250 }, (_, i) => Math.min(i * 100 + 1, 8000)))
  expect(llm.requests).toHaveLength(3)
  expect(await embed([])).toEqual([])
  await embed.close()
})

test('a passing failure is tried again, a lasting one is told', async () => {
  const { llm, embed } = await embedding()
  llm.script([{ status: 503 }, answer([1])])
  expect(await embed(['a'])).toEqual([[1]])
  llm.script([{ status: 401 }])
  await expect(embed(['a'])).rejects.toMatchObject({ kind: 'authentication' })
  for (const body of ['no json', {}, { data: [] }, { data: [{ index: 0, embedding: [] }] }]) {
    llm.script([{ status: 200, body }])
    await expect(embed(['a'])).rejects.toMatchObject({ kind: 'malformed' })
  }
  llm.script([answer([1], [1, 2])])
  await expect(embed(['a', 'b'])).rejects.toBeInstanceOf(ProviderError)
  await embed.close()
})

test('who waits may leave; who is silent is given up', async () => {
  const { llm, embed } = await embedding()
  const leaving = new AbortController()
  llm.script([{ silent: true, noHead: true }])
  const asked = embed(['a'], leaving.signal)
  await llm.received(1)
  leaving.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
  await embed.close()
  const hasty = await embedding({ requestTimeoutMs: 1 })
  hasty.llm.script([{ silent: true, noHead: true }])
  await expect(hasty.embed(['a'])).rejects.toMatchObject({ kind: 'timeout' })
  await hasty.embed.close()
})

test.each(['cohere/embed', 'anthropic/x', 'plain', ''])('the handle %j is refused with what there is', (handle) => {
  const settings = [
    { kind: 'compatible' as const, name: 'openai', baseUrl: 'http://localhost', apiKey: undefined },
    { kind: 'anthropic' as const, name: 'anthropic', baseUrl: 'http://localhost', apiKey: KEY },
  ]
  expect(() => createEmbedding(handle, settings, options)).toThrow(/none of these: openai\/<model>/)
  expect(() => createEmbedding(handle, [], options)).toThrow('no provider is set')
})
