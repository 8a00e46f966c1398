import { expect, test } from 'vitest'
import { hideInLogs, logger } from '../../src/logger.ts'
import { captureLogs } from '../support/logs.ts'
import { startServer } from '../support/server.ts'

test('a run leaves one line that says why it ended', async () => {
  const logs = captureLogs()
  const { api, llm } = await startServer()
  const usage = { promptTokens: 10, completionTokens: 5 }
  llm.script([
    { text: 'Yes.', usage },
    { text: 'No.', usage },
  ])
  const group = await api.group(['ana', 'ben'])
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'Hello', stream_tokens: true })
  const [{ id }] = await api.get<{ id: string }[]>('/v1/runs/').then((runs) => runs as [{ id: string }])
  expect(logs.lines).toEqual([
    {
      level: 'info',
      time: expect.any(String),
      run: id,
      tenant: expect.stringMatching(/^org-/),
      group: group.id,
      agent: group.agent_ids[0],
      manager: 'round_robin',
      status: 'completed',
      stop_reason: 'end_turn',
      ended_by: 'max_turns',
      steps: 2,
      tokens: 30,
      ttft_ms: expect.any(Number),
      duration_ms: expect.any(Number),
      msg: 'run completed',
    },
  ])
})

test('a failed run says what failed it, and not the key that the provider quotes (F83)', async () => {
  const logs = captureLogs()
  const { api, llm } = await startServer()
  const { id } = await api.agent()
  const message = 'Incorrect API key provided: sk-test-canary. Sent: Bearer abcdefghijklmn'
  llm.script([{ status: 401, body: { error: { message } } }])
  await api.call('POST', `/v1/agents/${id}/messages`, { input: 'Hello' })
  expect(logs.lines).toMatchObject([
    { level: 'warn', msg: 'run failed', status: 'failed', stop_reason: 'llm_api_error', error_type: expect.any(String) },
  ])
  expect(JSON.stringify(logs.lines)).not.toMatch(/canary|abcdefghijklmn/)
})

test('each request that is refused is a line without its query, louder the worse it is', async () => {
  const logs = captureLogs()
  const { api } = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'open-sesame' })
  await api.call('GET', '/v1/agents/?ticket=canary')
  const headers = { authorization: 'Bearer open-sesame' }
  await api.call('GET', '/v1/agents/agent-00000000-0000-4000-8000-000000000000', undefined, headers)
  await api.call('POST', '/v1/groups/', '{', headers)
  await api.call('GET', '/nowhere', undefined, headers)
  expect(logs.lines.map(({ level, status, method, path }) => [level, status, method, path])).toEqual([
    ['warn', 401, 'GET', '/v1/agents'],
    ['info', 404, 'GET', '/v1/agents/agent-00000000-0000-4000-8000-000000000000'],
    ['info', 400, 'POST', '/v1/groups'],
    ['info', 404, 'GET', '/nowhere'],
  ])
  expect(JSON.stringify(logs.lines)).not.toMatch(/canary|sesame/)
})

test('secrets are hidden wherever they stand, quoted or not; an error shows only its own texts (F83)', () => {
  const logs = captureLogs()
  hideInLogs(['pass"word\\1', 'token-1', 'token-12', 'x'])
  const cause = Object.assign(new Error('token-12 was refused'), { code: 'ENOKEY', headers: { authorization: 'canary' } })
  logger.error({ err: new Error('pass"word\\1', { cause }), authorization: 'canary', call: { apiKey: 'canary' } }, 'token-1 x')
  expect(logs.lines).toMatchObject([
    {
      msg: '[hidden] x',
      err: { type: 'Error', message: '[hidden]', stack: expect.stringContaining('at '), cause: { code: 'ENOKEY' } },
    },
  ])
  expect(JSON.stringify(logs.lines)).not.toMatch(/canary|token|pass/)
})
