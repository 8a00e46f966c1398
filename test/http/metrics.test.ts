import { expect, test, vi } from 'vitest'
import { startServer } from '../support/server.ts'

test('runs are counted by their end, with tokens, times and what their provider did', async () => {
  const { api, url, llm } = await startServer()
  const { id } = await api.agent()
  const send = () => api.call('POST', `/v1/agents/${id}/messages`, { input: 'Hello', stream_tokens: true })
  llm.script([{ text: 'One two.', usage: { promptTokens: 7, completionTokens: 3 } }, { status: 401 }])
  await send()
  await send()
  const { value } = await metricsOf(url)
  const ends = { manager: 'agent', status: 'completed', stop_reason: 'end_turn' }
  expect(value('roundtable_runs_total', ends)).toBe(1)
  expect(value('roundtable_runs_total', { ...ends, status: 'failed', stop_reason: 'llm_api_error' })).toBe(1)
  expect(value('roundtable_run_first_frame_seconds_count')).toBe(1)
  expect(value('roundtable_run_seconds_count')).toBe(2)
  expect(value('roundtable_steps_total', { provider: 'openai', status: 'success' })).toBe(1)
  expect(value('roundtable_provider_failures_total', { provider: 'openai', error_type: 'llm_authentication' })).toBe(1)
  expect(value('roundtable_tokens_total', { provider: 'openai', kind: 'prompt' })).toBe(7)
  expect(value('roundtable_tokens_total', { provider: 'openai', kind: 'completion' })).toBe(3)
  expect(value('roundtable_added_latency_seconds_count')).toBeGreaterThan(0)
  expect(value('roundtable_commit_seconds_count')).toBe(value('roundtable_commit_frames_count'))
  expect(value('roundtable_commit_frames_sum')).toBe(value('roundtable_frames_total'))
})

test('what is going on now is there to see, and gone when it is over', async () => {
  const { api, url, llm } = await startServer()
  const { id } = await api.agent()
  const held = llm.hold()
  const stream = await api.stream(`/v1/agents/${id}/messages/stream`, { input: 'Hello' })
  await llm.received(1)
  const during = await metricsOf(url)
  expect(during.value('roundtable_runs_live')).toBe(1)
  expect(during.value('roundtable_readers')).toBe(1)
  expect(during.value('roundtable_log_rows')).toBeGreaterThan(0)
  held.push('Hi.')
  held.finish()
  await stream.text()
  await vi.waitFor(async () => {
    const { value } = await metricsOf(url)
    expect([value('roundtable_runs_live'), value('roundtable_readers')]).toEqual([0, 0])
  })
})

test('the file, the process and its event loop are measured', async () => {
  const { url } = await startServer()
  const { value, type } = await metricsOf(url)
  expect(type).toMatch(/^text\/plain; version=0\.0\.4/)
  for (const name of ['roundtable_database_bytes', 'roundtable_wal_bytes', 'process_resident_memory_bytes']) {
    expect(value(name)).toBeGreaterThan(0)
  }
  expect(value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0)
})

test('where a key is needed it is needed here, unless the numbers are said to be open', async () => {
  const secure = { LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'open-sesame' }
  const closed = await startServer(secure)
  for (const path of ['/metrics', '/metrics/']) expect((await fetch(closed.url + path)).status).toBe(401)
  expect((await fetch(`${closed.url}/metrics`, { headers: { authorization: 'Bearer open-sesame' } })).status).toBe(200)
  const open = await startServer({ ...secure, ROUNDTABLE_METRICS_OPEN: 'true' })
  expect((await fetch(`${open.url}/metrics`)).status).toBe(200)
  expect((await fetch(`${open.url}/v1/agents/`)).status).toBe(401)
})

/** One scrape. `value`: of the sample with this name and just these labels. */
async function metricsOf(url: string) {
  const answer = await fetch(`${url}/metrics`)
  expect(answer.status).toBe(200)
  const samples = new Map<string, number>()
  for (const line of (await answer.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name, labels = '', value] = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/i.exec(line)!
    expect(samples.has(keyOf(name!, labels)), line).toBe(false)
    samples.set(keyOf(name!, labels), Number(value))
  }
  return {
    type: answer.headers.get('content-type'),
    value: (name: string, labels: Record<string, string> = {}) =>
      samples.get(
        keyOf(
          name,
          Object.entries(labels)
            .map(([label, value]) => `${label}="${value}"`)
            .join(),
        ),
      ),
  }
}

const keyOf = (name: string, labels: string) => `${name}{${labels.split(',').toSorted().join()}}`
