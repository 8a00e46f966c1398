import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../support/server.ts'

/** An embedding model that knows two things. */
const meaning = (text: string) => (/cat|feline/i.test(text) ? [1, 0.1] : [0.1, 1])

async function embeddings(): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { input } = JSON.parse(body) as { input: string[] }
      const data = input.map((text, index) => ({ object: 'embedding', index, embedding: meaning(text) }))
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', data, model: 'small' }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
}

async function archivist(settings: Record<string, string>) {
  const { api } = await startServer({ ROUNDTABLE_DEFAULT_MODEL: 'demo/chat', ...settings })
  const tools = await api.get<{ id: string; name: string }[]>('/v1/tools/?limit=100')
  const tool_ids = tools.flatMap(({ id, name }) => (name.startsWith('archival_memory_') ? [id] : []))
  const { id } = await api.agent({ tool_ids })
  const use = async (name: string, args: object) =>
    (await api.post<{ func_return: string }>(`/v1/agents/${id}/tools/archival_memory_${name}/run`, { args })).func_return
  for (const content of ['The cat sleeps on the sofa.', 'The dog wants out at seven.']) await use('insert', { content })
  return (query: string) => use('search', { query, top_k: 1 })
}

test('with an embedding model the archive is searched by meaning', async () => {
  const search = await archivist({ OPENAI_BASE_URL: await embeddings(), ROUNDTABLE_EMBEDDING_MODEL: 'openai/small' })
  expect(await search('feline')).toContain('The cat sleeps')
  expect(await search('canine')).toContain('The dog wants out')
})

test('without one it is searched by words', async () => {
  const search = await archivist({})
  expect(await search('sofa')).toContain('The cat sleeps')
  expect(await search('feline')).not.toContain('cat')
})
