import { expect, test } from 'vitest'
import { captureLogs } from '../support/logs.ts'
import { collector, type SeenSpan } from '../support/collector.ts'
import { startServer } from '../support/server.ts'

test('a run is a trace: each turn an agent that was invoked, in it the model calls and the tools', async () => {
  const seen = await collector()
  const { api, llm, close } = await startServer({
    OTEL_EXPORTER_OTLP_ENDPOINT: seen.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=canary%20key',
    OTEL_SERVICE_NAME: 'my-table',
  })
  const memory = { include_base_tools: true, memory_blocks: [{ label: 'human', value: '' }] }
  const [ana, ben] = [await api.agent({ name: 'ana', ...memory }), await api.agent({ name: 'ben' })]
  const { id: group } = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [ana.id, ben.id], description: 'x' })
  const insert = { id: 'call_1', name: 'memory_insert', arguments: '{"label":"human","new_string":"tea"}' }
  const usage = { promptTokens: 7, completionTokens: 3 }
  llm.script([
    { toolCalls: [insert], usage },
    { text: 'Noted.', usage },
    { text: 'Secret plans.', usage },
  ])
  await api.post(`/v1/groups/${group}/messages`, { input: 'I like tea' })
  const [{ id: run }] = await api.get<[{ id: string }]>('/v1/runs/')
  await close()

  expect(treeOf(seen.spans)).toEqual([
    'run round_robin',
    '  invoke_agent ana',
    '    chat gpt-4o-mini',
    '    execute_tool memory_insert',
    '    chat gpt-4o-mini',
    '  invoke_agent ben',
    '    chat gpt-4o-mini',
  ])
  for (const span of seen.spans) {
    expect(span.traceId).toBe(run.replace('run-', '').replaceAll('-', ''))
    expect(span.from).toBeLessThanOrEqual(span.to)
    expect(span.status).toBe(0)
  }
  const named = (name: string) => seen.spans.find((span) => span.name === name)!
  expect(named('run round_robin').attributes).toMatchObject({ 'roundtable.run.id': run, 'roundtable.stop_reason': 'end_turn' })
  expect(named('invoke_agent ana').attributes).toEqual({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.id': ana.id,
    'gen_ai.agent.name': 'ana',
    'gen_ai.conversation.id': group,
  })
  expect(named('chat gpt-4o-mini')).toMatchObject({
    kind: 3,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
      'gen_ai.response.finish_reasons': ['tool_calls'],
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(llm.url).port),
    },
  })
  expect(named('execute_tool memory_insert').attributes).toEqual({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'memory_insert',
    'gen_ai.tool.call.id': 'call_1',
    'gen_ai.tool.type': 'function',
  })
  expect(seen.requests[0]).toMatchObject({
    path: '/v1/traces',
    headers: { 'x-api-key': 'canary key' },
    resource: { 'service.name': 'my-table' },
  })
  expect(JSON.stringify(seen.spans)).not.toMatch(/tea"|Secret plans|canary/)
})

test('what failed is marked with its error type, the model call and the run', async () => {
  const seen = await collector()
  const { api, llm, close } = await startServer({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${seen.url}/custom` })
  const { id } = await api.agent({ name: 'ana' })
  llm.script([{ status: 401 }])
  await api.call('POST', `/v1/agents/${id}/messages`, { input: 'Hello' })
  await close()
  expect(seen.requests[0]!.path).toBe('/custom')
  for (const name of ['run agent', 'invoke_agent ana', 'chat gpt-4o-mini']) {
    const span = seen.spans.find((one) => one.name === name)
    expect(span, name).toMatchObject({ status: 2, attributes: { 'error.type': 'llm_authentication' } })
  }
})

test('a call that an answer lets through is in the trace of the run that ran it', async () => {
  const seen = await collector()
  const { api, llm, close } = await startServer({ OTEL_EXPORTER_OTLP_ENDPOINT: `${seen.url}/` })
  const { id } = await api.agent({
    name: 'ana',
    include_base_tools: true,
    memory_blocks: [{ label: 'human', value: '' }],
    tool_rules: [{ type: 'requires_approval', tool_name: 'memory_insert' }],
  })
  const insert = { id: 'call_1', name: 'memory_insert', arguments: '{"label":"human","new_string":"tea"}' }
  llm.script([{ toolCalls: [insert] }, { text: 'Noted.' }])
  await api.post(`/v1/agents/${id}/messages`, { input: 'I like tea' })
  const approvals = [{ type: 'approval', tool_call_id: 'call_1', approve: true }]
  await api.post(`/v1/agents/${id}/messages`, { messages: [{ type: 'approval', approvals }] })
  await close()
  const [first, second] = Map.groupBy(seen.spans, ({ traceId }) => traceId).values()
  expect(treeOf(first!)).toEqual(['run agent', '  invoke_agent ana', '    chat gpt-4o-mini'])
  expect(treeOf(second!).toSorted()).toEqual(
    ['run agent', '  invoke_agent ana', '    chat gpt-4o-mini', '  execute_tool memory_insert'].toSorted(),
  )
})

test.each<Record<string, string>>([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }])(
  '%j turns them off',
  async (settings) => {
    const seen = await collector()
    const { api, close } = await startServer({ OTEL_EXPORTER_OTLP_ENDPOINT: seen.url, ...settings })
    const { id } = await api.agent()
    await api.post(`/v1/agents/${id}/messages`, { input: 'Hello' })
    await close()
    expect(seen.requests).toEqual([])
  },
)

test('a collector that is not there disturbs nobody, and is said', async () => {
  const logs = captureLogs()
  const { api, close } = await startServer({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  const { id } = await api.agent()
  await api.post(`/v1/agents/${id}/messages`, { input: 'Hello' })
  await close()
  expect(logs.lines.map(({ level, msg }) => `${level} ${msg}`)).toContainEqual(expect.stringMatching(/^(warn|error) Traces: /))
})

/** Names by depth, in the order in which they began. */
function treeOf(spans: SeenSpan[], parent?: string, depth = 0): string[] {
  const children = spans
    .filter(({ parentSpanId }) => parentSpanId === parent)
    .toSorted((a, b) => a.from - b.from || a.to - b.to)
  return children.flatMap((span) => [`${'  '.repeat(depth)}${span.name}`, ...treeOf(spans, span.spanId, depth + 1)])
}
