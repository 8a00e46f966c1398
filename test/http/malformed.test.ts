import { request } from 'node:http'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import { startServer } from '../support/server.ts'

interface Raw {
  headers?: Record<string, string>
  body?: string
  /** Without a content-length. */
  chunked?: boolean
}

/** As it is: fetch would tidy up the path and the headers. */
function raw(url: string, method: string, path: string, { headers = {}, body, chunked }: Raw = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const length = chunked || body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = request(url, { method, path, headers: { ...type, ...length, ...headers } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text }))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    if (chunked) for (let at = 0; at < body!.length; at += 65_536) sent.write(body!.slice(at, at + 65_536))
    sent.end(chunked ? undefined : body)
  })
}

test('explore', async () => {
  const { api, url } = await startServer()
  const group = await api.group(['Ann', 'Bob'])
  const manager = await api.agent({ name: 'Max' })
  const dynamic = await api.post<{ id: string }>('/v1/groups/', {
    agent_ids: group.agent_ids,
    description: '',
    manager_config: { manager_type: 'dynamic', manager_agent_id: manager.id },
  })
  const { messages: _ } = await api.post<any>(`/v1/agents/${manager.id}/messages`, { input: 'x' })
  const [run] = await api.get<any[]>('/v1/runs/')
  const send = `/v1/groups/${group.id}/messages`
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const big = JSON.stringify({ input: 'x'.repeat(10_000_000) })
  const j = (x: unknown) => ({ body: JSON.stringify(x) })
  const hi = { messages: [{ role: 'user', content: 'hi' }] }
  const leid = (v: string) => ({ headers: { 'last-event-id': v } })
  const rows: [string, string, string, Raw?][] = [
    ['short', 'GET', '/v1/groups/group-1'],
    ['upper', 'GET', `/v1/groups/${group.id.toUpperCase()}`],
    ['upper2', 'GET', `/v1/groups/group-${group.id.slice(6).toUpperCase()}`],
    ['prefix', 'GET', `/v1/groups/${manager.id}`],
    ['traversal', 'GET', `/v1/groups/../../etc/passwd`],
    ['traversal2', 'GET', `/v1/groups/..%2f..%2fetc%2fpasswd`],
    ['traversal3', 'GET', `/v1/blocks/../groups/${group.id}`],
    ['nul', 'GET', `/v1/groups/${group.id}%00`],
    ['badpercent', 'GET', `/v1/groups/%E0%A4%A`],
    ['emoji', 'GET', `/v1/groups/%F0%9F%98%80`],
    ['sql', 'GET', `/v1/groups/group-'%20OR%201=1`],
    ['unknown', 'GET', `/v1/groups/${newId('group')}`],
    ['unknown send', 'POST', `/v1/groups/${newId('group')}/messages`, j(hi)],
    ['unknown agent', 'POST', `/v1/agents/${newId('agent')}/messages`, j(hi)],
    ['unknown run', 'GET', `/v1/runs/${newId('run')}`],
    ['unknown run stream', 'GET', `/v1/runs/${newId('run')}/stream`],
    ['unknown run post stream', 'POST', `/v1/runs/${newId('run')}/stream`, j({})],
    ['both', 'POST', send, j({ ...hi, input: 'x' })],
    ['neither', 'POST', send, j({})],
    ['empty messages', 'POST', send, j({ messages: [] })],
    ['null messages', 'POST', send, j({ messages: null, input: null })],
    ['empty content', 'POST', send, j({ messages: [{ role: 'user', content: '' }] })],
    ['empty parts', 'POST', send, j({ messages: [{ role: 'user', content: [] }] })],
    ['bad json', 'POST', send, { body: '{messages: 1}' }],
    ['truncated', 'POST', send, { body: '{"messages": [{"role"' }],
    ['trailing', 'POST', send, { body: JSON.stringify(hi) + '}' }],
    ['NaN', 'POST', send, { body: '{"input":"a","max_steps":NaN}' }],
    ['bom', 'POST', send, { body: '\uFEFF' + JSON.stringify({ messages: [] }) }],
    ['empty', 'POST', send, { body: '' }],
    ['none', 'POST', send],
    ['array', 'POST', send, { body: '[]' }],
    ['string', 'POST', send, { body: '"hi"' }],
    ['null', 'POST', send, { body: 'null' }],
    ['number', 'POST', send, { body: '7' }],
    ['type', 'POST', send, { ...j(hi), headers: { 'content-type': 'text/plain' } }],
    ['type form', 'POST', send, { body: 'input=hi', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['type garbage', 'POST', send, { ...j(hi), headers: { 'content-type': ';;;' } }],
    ['jsonx', 'POST', send, { ...j({}), headers: { 'content-type': 'application/json; charset=utf-16' } }],
    ['role', 'POST', send, j({ messages: [{ role: 'robot', content: 'x' }] })],
    ['part', 'POST', send, j({ messages: [{ role: 'user', content: [{ type: 'video', url: 'x' }] }] })],
    ['msg type', 'POST', send, j({ messages: [{ type: 'nope', role: 'user', content: 'x' }] })],
    ['msg string', 'POST', send, j({ messages: ['x'] })],
    ['msg null', 'POST', send, j({ messages: [null] })],
    ['msgs object', 'POST', send, j({ messages: { 0: hi.messages[0] } })],
    ['big', 'POST', send, { body: big }],
    ['big chunked', 'POST', send, { body: big, chunked: true, headers: { 'transfer-encoding': 'chunked' } }],
    ['deep', 'POST', send, { body: deep }],
    ['deep in messages', 'POST', send, { body: `{"messages":${deep}}` }],
    ['deep in input', 'POST', send, { body: `{"input":${deep}}` }],
    ['deep in enable_thinking', 'POST', send, { body: `{"messages":[],"enable_thinking":${deep}}` }],
    ['deep in enable_thinking ok', 'POST', send, { body: `{"input":"x","enable_thinking":${deep}}` }],
    ['deep metadata', 'POST', '/v1/agents/', { body: `{"metadata":{"a":${deep}}}` }],
    ['deep metadata block', 'POST', '/v1/blocks/', { body: `{"label":"a","value":"b","metadata":{"a":${deep}}}` }],
    ['deep call', 'POST', send, { body: `{"messages":[{"role":"user","content":[{"type":"tool_call","id":"a","name":"b","input":{"a":${deep}}}]}]}` }],
    ['deep tools', 'POST', send, { body: `{"input":"x","client_tools":[{"name":"a","parameters":{"a":${deep}}}]}` }],
    ['proto', 'POST', send, { body: '{"__proto__":{"input":"x"},"constructor":{"prototype":{"input":"x"}}}' }],
    ['proto2', 'POST', send, { body: '{"messages":[{"__proto__":{"role":"user","content":"x"}}]}' }],
    ...[0, -1, 1.5, 'many', 1e300, '5'].map((n): any => [`steps ${n}`, 'POST', send, j({ ...hi, max_steps: n })]),
    ['steps null', 'POST', send, j({ ...hi, max_steps: null })],
    ['types', 'POST', send, j({ ...hi, include_return_message_types: ['nope'] })],
    ['types str', 'POST', send, j({ ...hi, include_return_message_types: 'assistant_message' })],
    ['manager', 'POST', '/v1/groups/', j({ agent_ids: [], description: '', manager_config: { manager_type: 'king' } })],
    ['manager none', 'POST', '/v1/groups/', j({ agent_ids: [], description: '', manager_config: {} })],
    ['manager other', 'POST', '/v1/groups/', j({ agent_ids: [], description: '', manager_config: { manager_type: 'round_robin', termination_token: 'x' } })],
    ['agent id', 'POST', '/v1/groups/', j({ agent_ids: ['agent-1'], description: '' })],
    ['agent unknown', 'POST', '/v1/groups/', j({ agent_ids: [newId('agent')], description: '' })],
    ['limit 0', 'GET', '/v1/runs/?limit=0'],
    ['limit 1001', 'GET', '/v1/groups/?limit=1001'],
    ['limit x', 'GET', `${send}?limit=ten`],
    ['limit 1e1', 'GET', `${send}?limit=1e1`],
    ['limit empty', 'GET', `${send}?limit=`],
    ['limit twice', 'GET', `${send}?limit=1&limit=2`],
    ['order', 'GET', `${send}?order=up`],
    ['cursor', 'GET', `${send}?after=${newId('message')}`],
    ['cursor run', 'GET', `/v1/runs/?before=${newId('run')}`],
    ['cursor long', 'GET', `/v1/runs/?before=${'x'.repeat(600)}`],
    ['empty leid', 'GET', `/v1/runs/${run.id}/stream`, leid('')],
    ...['abc', '-1', '1e3', '0x10', ' 7 ', '007', '9007199254740993', '9'.repeat(10_000), '7,7', '٣', '7.0', '+7'].map((v): any => [`leid ${v.slice(0, 30)}`, 'GET', `/v1/runs/${run.id}/stream`, leid(Buffer.from(v).toString('latin1'))]),
    ['sa neg', 'GET', `/v1/runs/${run.id}/stream?starting_after=-1`],
    ['sa x', 'GET', `/v1/runs/${run.id}/stream?starting_after=x`],
    ['sa hex', 'GET', `/v1/runs/${run.id}/stream?starting_after=0x10`],
    ['sa empty', 'GET', `/v1/runs/${run.id}/stream?starting_after=`],
    ['sa post neg', 'POST', `/v1/runs/${run.id}/stream`, j({ starting_after: -1 })],
    ['sa post str', 'POST', `/v1/runs/${run.id}/stream`, j({ starting_after: '1' })],
    ['sa post nobody', 'POST', `/v1/runs/${run.id}/stream`],
    ['cancel nobody', 'POST', `/v1/agents/${manager.id}/messages/cancel`],
    ['approval', 'POST', send, j({ messages: [{ type: 'approval', approvals: [{ type: 'approval', tool_call_id: 'x', approve: true }] }] })],
    ['approval agent', 'POST', `/v1/agents/${manager.id}/messages`, j({ messages: [{ type: 'tool_return', tool_returns: [{ tool_call_id: 'x', tool_return: 'y', status: 'success' }] }] })],
    ['put', 'PUT', send, j(hi)],
    ['delete', 'DELETE', send],
    ['trace', 'TRACE', send],
    ['odd', 'PROPFIND', send],
    ['head', 'HEAD', `/v1/groups/${group.id}`],
    ['options', 'OPTIONS', send],
    ['nowhere', 'GET', '/v1/nowhere'],
    ['root', 'GET', '/'],
    ['star', 'OPTIONS', '*'],
    ['model', 'POST', send, j({ ...hi, override_model: 'nobody/x' })],
    ['model form', 'POST', send, j({ ...hi, override_model: 'x' })],
    ['dynamic', 'POST', `/v1/groups/${dynamic.id}/messages`, j(hi)],
    ['surrogate', 'POST', send, { body: '{"messages":[{"role":"\\ud800","content":"x"}]}' }],
    ['gzip', 'POST', send, { ...j(hi), headers: { 'content-encoding': 'gzip' } }],
    ['expect', 'POST', send, { ...j({}), headers: { expect: '100-continue' } }],
    ['hdr16k', 'GET', '/v1/groups/', { headers: { 'x-a': 'a'.repeat(20_000) } }],
    ['url long', 'GET', `/v1/groups/${'a'.repeat(10_000)}`],
    ['empty group', 'POST', `/v1/groups/${(await api.post<any>('/v1/groups/', { agent_ids: [], description: '' })).id}/messages`, j(hi)],
  ]
  for (const [name, method, path, rest] of rows) {
    const t = performance.now()
    const a = await raw(url, method, path, rest).catch((e) => ({ status: String(e), text: '', headers: {} as any }))
    console.log(name.padEnd(24), a.status, Math.round(performance.now() - t), 'ms', a.text.slice(0, 260), a.headers['x-should-retry'] ?? '')
  }
  console.log((await api.get<any[]>('/v1/runs/')).length)
})
