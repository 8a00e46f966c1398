import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

test('a server that goes down says so to whoever still has a connection', async () => {
  const { api, llm, url, close } = await startServer({ ROUNDTABLE_SHUTDOWN_SECONDS: '1000' })
  const { id } = await api.agent()
  const held = llm.hold()
  const answer = api.post(`/v1/agents/${id}/messages`, { input: 'Hello' })
  await llm.received(1)
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  socket.write('GET /v1/health HTTP/1.1\r\nhost: test\r\n\r\n')
  await once(socket, 'data')
  await new Promise<void>((resolve) => socket.write('GET /v1/ready HTTP/1.1\r\n', () => resolve()))
  await api.get('/v1/ready') // so that the server has read what was written before

  const closed = close()
  socket.write('host: test\r\n\r\n')
  const [text] = await once(socket, 'data')
  expect(text).toMatch(/^HTTP\/1.1 503 /)
  expect(text).toContain('{"status":"unavailable","reason":"shutting down"}')
  held.push('Bye.')
  held.finish()
  await answer
  await closed
})
