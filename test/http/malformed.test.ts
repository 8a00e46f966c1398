import { request } from 'node:http'
import { expect, test } from 'vitest'
import { newId } from '../../src/wire/id.ts'
import { startServer } from '../support/server.ts'

interface Raw {
  headers?: Record<string, string | string[]>
  body?: string | Buffer
  /** Without a content-length. */
  chunked?: boolean
}
/** Name, method, path, what is sent, status, and what the body says. */
type Row = [name: string, method: string, path: string, sent: Raw, status: number, says?: string | RegExp]

const hi = { messages: [{ role: 'user', content: 'Hi' }] }
const json = (value: unknown): Raw => ({ body: JSON.stringify(value) })
const text = (body: string | Buffer): Raw => ({ body })
const deep = '['.repeat(200_000) + ']'.repeat(200_000)
const huge = JSON.stringify({ input: 'x'.repeat(10_000_000) })

/** A server with a group, its members and a finished run. */
async function start() {
  const { api, url } = await startServer()
  const group = await api.group(['Ann', 'Bob'])
  await api.post(`/v1/groups/${group.id}/messages`, hi)
  const [run] = await api.get<{ id: string }[]>('/v1/runs/')
  const places = { group: group.id, agent: group.agent_ids[0]!, run: run!.id }
  const kept = () =>
    Promise.all(['/v1/runs/', '/v1/groups/', '/v1/agents/', `/v1/agents/${places.agent}/messages`].map(api.get))

  /** All are refused as the rows say; then nothing is there that was not there before, and the server serves. */
  async function refuses(rows: Row[]) {
    const before = await kept()
    for (const [name, method, path, sent, status, says] of rows) {
      const answer = await raw(url, method, path, sent)
      expect.soft(answer.status, `${name}: ${answer.text}`).toBe(status)
      if (answer.status === 422) expect.soft(JSON.parse(answer.text), name).toEqual({ detail: expect.toSatisfy(isList) })
      if (answer.status !== 431) expect.soft(answer.text, name).toMatch(says ?? /^\{"detail":/)
      expect.soft(answer.text, name).not.toMatch(/\bat .*\.[tj]s:\d+|node_modules/)
    }
    expect(await kept()).toEqual(before)
    expect(await api.get('/v1/health/')).toMatchObject({ status: 'ok' })
    expect(await api.post(`/v1/groups/${places.group}/messages`, hi)).toMatchObject({
      stop_reason: { stop_reason: 'end_turn' },
    })
  }
  return { ...places, url, refuses }
}

const isList = (detail: unknown) =>
  Array.isArray(detail) && detail.length > 0 && detail.every((one) => Object.keys(one).join() === 'type,loc,msg,input')

/** As it is: fetch would tidy up the path and the headers. */
function raw(url: string, method: string, path: string, { headers = {}, body, chunked }: Raw = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const length = chunked || body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = request(url, { method, path, headers: { ...type, ...length, ...headers }, agent: false }, (answer) => {
      let got = ''
      answer.setEncoding('utf8').on('data', (part: string) => (got += part))
      answer.on('end', () => resolve({ status: answer.statusCode!, text: got }))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    if (chunked) for (let at = 0; at < body!.length; at += 65_536) sent.write(body!.slice(at, at + 65_536))
    sent.end(chunked ? undefined : body)
  })
}

test('F74 ids that are none, or nobody’s', async () => {
  const { refuses, group, agent } = await start()
  const pattern = /String should match pattern 'group-\{uuid4\}'/
  await refuses([
    ['short', 'GET', '/v1/groups/group-1', {}, 422, pattern],
    ['upper case', 'GET', `/v1/groups/group-${group.slice(6).toUpperCase()}`, {}, 422, pattern],
    ['another prefix', 'GET', `/v1/groups/${agent}`, {}, 422, pattern],
    ['path traversal', 'GET', '/v1/groups/../../etc/passwd', {}, 404],
    ['encoded traversal', 'GET', '/v1/groups/..%2f..%2fetc%2fpasswd', {}, 422, pattern],
    ['NUL', 'GET', `/v1/groups/${group}%00`, {}, 422, pattern],
    ['half an escape', 'GET', '/v1/groups/%E0%A4%A', {}, 422, pattern],
    ['emoji', 'GET', '/v1/groups/%F0%9F%98%80', {}, 422, pattern],
    ['SQL', 'GET', `/v1/groups/${group}'%20OR%201=1`, {}, 422, pattern],
    ['10 KB', 'GET', `/v1/groups/${'a'.repeat(10_000)}`, {}, 422, pattern],
    ['unknown group', 'GET', `/v1/groups/${newId('group')}`, {}, 404, /Group not found/],
    ['send to an unknown group', 'POST', `/v1/groups/${newId('group')}/messages`, json(hi), 404, /Group not found/],
    ['stream of an unknown group', 'POST', `/v1/groups/${newId('group')}/messages/stream`, json(hi), 404, /Group not found/],
    ['send to an unknown agent', 'POST', `/v1/agents/${newId('agent')}/messages`, json(hi), 404, /Agent not found/],
    ['a bad id before a bad body', 'POST', '/v1/agents/agent-1/messages', json({}), 422, /"path"/],
    ['unknown run', 'GET', `/v1/runs/${newId('run')}`, {}, 404, /Run not found/],
    ['stream of an unknown run', 'GET', `/v1/runs/${newId('run')}/stream`, {}, 404, /Run not found/],
    ['resume of an unknown run', 'POST', `/v1/runs/${newId('run')}/stream`, json({}), 404, /Run not found/],
    ['cancel of an unknown run', 'POST', `/v1/runs/${newId('run')}/cancel`, json({}), 404, /Run not found/],
  ])
})

test('F72 bodies that are no JSON object', async () => {
  const { refuses, group } = await start()
  const send = `/v1/groups/${group}/messages`
  const typed = (type: string) => ({ ...json(hi), headers: { 'content-type': type } })
  await refuses([
    ['not JSON', 'POST', send, text('{messages: 1}'), 400, /Malformed JSON/],
    ['truncated', 'POST', send, text('{"messages":[{"role":"us'), 400, /Malformed JSON/],
    ['more behind it', 'POST', send, text(`${JSON.stringify(hi)}}`), 400, /Malformed JSON/],
    ['NaN', 'POST', send, text('{"input":"Hi","max_steps":NaN}'), 400, /Malformed JSON/],
    ['UTF-16', 'POST', send, text(Buffer.from(JSON.stringify(hi), 'utf16le')), 400, /Malformed JSON/],
    ['empty', 'POST', send, text(''), 400, /Malformed JSON/],
    ['none', 'POST', send, {}, 422, /Must specify either/],
    ['array', 'POST', send, text('[]'), 422, /expected object, received array/],
    ['string', 'POST', send, text('"Hi"'), 422, /expected object, received string/],
    ['null', 'POST', send, text('null'), 422, /expected object, received null/],
    ['number', 'POST', send, text('7'), 422, /expected object, received number/],
    ['text/plain', 'POST', send, typed('text/plain'), 415, /application\/json/],
    ['a form', 'POST', send, typed('application/x-www-form-urlencoded'), 415, /application\/json/],
    ['nonsense type', 'POST', send, typed(';;;'), 415, /application\/json/],
    ['10 MB', 'POST', send, text(huge), 413, /larger than 8388608 bytes/],
    ['10 MB in chunks', 'POST', send, { body: huge, chunked: true }, 413, /larger than 8388608 bytes/],
    ['200 000 brackets', 'POST', send, text(deep), 422, /nested/],
    ['deep messages', 'POST', send, text(`{"messages":${deep}}`), 422, /nested/],
    ['deep unused field', 'POST', send, text(`{"input":"Hi","enable_thinking":${deep}}`), 422, /nested/],
    ['deep metadata', 'POST', '/v1/agents/', text(`{"metadata":{"a":${deep}}}`), 422, /nested/],
    ['20 KB of header', 'GET', '/v1/groups/', { headers: { 'x-a': 'a'.repeat(20_000) } }, 431],
  ])
})

test('F72 of two keys that are the same the last counts, a byte order mark is none of the text, a million keys are refused or taken at once', async () => {
  const { url, group } = await start()
  const send = `/v1/groups/${group}/messages`
  const said = async (body: string) => await raw(url, 'POST', send, { body })
  expect((await said('{"input":"one","max_steps":0,"max_steps":1}')).status).toBe(200)
  expect((await said('{"input":"one","max_steps":1,"max_steps":0}')).status).toBe(422)
  expect([200, 400]).toContain((await said(`\uFEFF${JSON.stringify(hi)}`)).status)
  const keys = (name: string) => Array.from({ length: 500_000 }, (_, n) => `"${name}${n}":0`).join()
  expect((await said(`{"input":"Hi","max_steps":1,${keys('k')}}`)).status).toBe(200)
  expect((await said(`{"input":"Hi","max_steps":1,${keys('x'.repeat(10))}}`)).status).toBe(413)
  expect(
    (await said(`{"input":"Hi","max_steps":1,"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`)).status,
  ).toBe(200)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('F73 a send that says nothing, or what cannot be', async () => {
  const { refuses, group, agent } = await start()
  const send = `/v1/groups/${group}/messages`
  const row = (name: string, body: object, says: RegExp): Row => [name, 'POST', send, json(body), 422, says]
  const message = (one: unknown) => ({ messages: [one] })
  await refuses([
    row('input and messages', { ...hi, input: 'Hi' }, /Cannot specify both/),
    row('neither', {}, /Must specify either/),
    row('both null', { input: null, messages: null }, /Must specify either/),
    row('no messages', { messages: [] }, /Messages must not be empty/),
    row('empty content', message({ role: 'user', content: '' }), /Message content is empty/),
    row('no parts', message({ role: 'user', content: [] }), /Message content is empty/),
    row('unknown role', message({ role: 'robot', content: 'Hi' }), /\["body","messages",0,"role"\]/),
    row('unknown part', message({ role: 'user', content: [{ type: 'video', url: 'x' }] }), /\["body","messages",0,"content"\]/),
    row('unknown type', message({ type: 'song', role: 'user', content: 'Hi' }), /\["body","messages",0,"type"\]/),
    row('a text as message', message('Hi'), /\["body","messages",0\]/),
    row('null as message', message(null), /\["body","messages",0\]/),
    row('messages by number', { messages: { 0: hi.messages[0] } }, /expected array/),
    ['__proto__', 'POST', send, text('{"__proto__":{"input":"Hi"}}'), 422, /Must specify either/],
    [
      '__proto__ of a message',
      'POST',
      send,
      text(`{"messages":[{"__proto__":${JSON.stringify(hi.messages[0])}}]}`),
      422,
      /"role"/,
    ],
    ['constructor', 'POST', send, text('{"constructor":{"prototype":{"input":"Hi"}}}'), 422, /Must specify either/],
    ...[0, -1, 1.5, 1e300, '5', 'many', null].map((n) =>
      row(`max_steps ${n}`, { ...hi, max_steps: n }, /\["body","max_steps"\]/),
    ),
    row('unknown filter', { ...hi, include_return_message_types: ['nope'] }, /"include_return_message_types",0/),
    row('a filter that is no list', { ...hi, include_return_message_types: 'ping' }, /expected array/),
    ['unknown model', 'POST', send, json({ ...hi, override_model: 'nobody/x' }), 404, /Handle nobody\/x not found/],
    ['a model that is no handle', 'POST', send, json({ ...hi, override_model: 'x' }), 400, /not of the form provider\/model/],
    [
      'approval of nothing',
      'POST',
      send,
      json(message({ approvals: [{ tool_call_id: 'x', approve: true }] })),
      400,
      /No tool call is currently awaiting approval/,
    ],
    [
      'return of nothing',
      'POST',
      `/v1/agents/${agent}/messages`,
      json(message({ tool_returns: [{ tool_call_id: 'x', tool_return: 'y', status: 'success' }] })),
      400,
      /No tool call is currently awaiting approval/,
    ],
  ])
  expect(({} as Record<string, unknown>)['input']).toBeUndefined()
})

test('F73 groups that cannot be, or cannot talk', async () => {
  const { refuses, group } = await start()
  const managed = (manager_config: unknown) => json({ agent_ids: [], description: '', manager_config })
  await refuses([
    ['unknown manager', 'POST', '/v1/groups/', managed({ manager_type: 'king' }), 422, /"manager_type"/],
    ['no manager type', 'POST', '/v1/groups/', managed({}), 422, /"manager_type"/],
    [
      'the setting of another manager',
      'POST',
      '/v1/groups/',
      managed({ manager_type: 'round_robin', termination_token: 'x' }),
      422,
      /no effect on a round_robin group/,
    ],
    [
      'max_turns 0',
      'PATCH',
      `/v1/groups/${group}`,
      json({ manager_config: { manager_type: 'round_robin', max_turns: 0 } }),
      422,
      /"max_turns"/,
    ],
    ['a bad member', 'POST', '/v1/groups/', json({ agent_ids: ['agent-1'], description: '' }), 422, /"agent_ids",0/],
    [
      'an unknown member',
      'POST',
      '/v1/groups/',
      json({ agent_ids: [newId('agent')], description: '' }),
      404,
      /Agent not found/,
    ],
  ])
})

test('F73 pages that are none', async () => {
  const { refuses, group } = await start()
  const list = `/v1/groups/${group}/messages`
  const row = (query: string, status: number, says: RegExp): Row => [
    query.slice(0, 40),
    'GET',
    `${list}?${query}`,
    {},
    status,
    says,
  ]
  await refuses([
    ...['limit=0', 'limit=1001', 'limit=-1', 'limit=1.5', 'limit=ten', 'limit=', 'limit=1&limit=2'].map((query) =>
      row(query, 422, /"limit"/),
    ),
    row('order=up', 422, /"order"/),
    row(`after=${newId('message')}`, 404, /Cursor not found/),
    row(`before=${group}`, 404, /Cursor not found/),
    row(`after=${'x'.repeat(600)}`, 422, /"after"/),
    row('include_return_message_types=nope', 422, /"include_return_message_types"/),
    ['runs', 'GET', '/v1/runs/?limit=1001', {}, 422, /"limit"/],
    ['a run that is unknown', 'GET', `/v1/runs/?after=${newId('run')}`, {}, 404, /Cursor not found/],
    ['a status that is none', 'GET', '/v1/runs/?statuses=nope', {}, 422, /"statuses"/],
  ])
})

test('F50 a place in a stream is a whole number, and nothing else is taken for one', async () => {
  const { refuses, run, url } = await start()
  const stream = `/v1/runs/${run}/stream`
  const given = ['abc', '-1', '1e3', '0x10', '007', '7.0', '+7', '7,7', '٣', '9007199254740993', '9'.repeat(10_000)]
  const header = (value: string | string[]): Raw => ({ headers: { 'last-event-id': value } })
  await refuses([
    ...given.map((id): Row => [
      id.slice(0, 40),
      'GET',
      stream,
      header(Buffer.from(id).toString('latin1')),
      400,
      /Last-Event-ID/,
    ]),
    ['twice', 'GET', stream, header(['1', '2']), 400, /Last-Event-ID/],
    ...['-1', 'x', '1e1', '0x10', '007', '1.5', ''].map((n): Row => [
      `starting_after ${n}`,
      'GET',
      `${stream}?starting_after=${n}`,
      {},
      422,
      /"starting_after"/,
    ]),
    ...[-1, 1.5, '1'].map((n): Row => [
      `starting_after ${n}`,
      'POST',
      stream,
      json({ starting_after: n }),
      422,
      /"starting_after"/,
    ]),
  ])
  // An EventSource that has seen nothing yet sends an empty one; blanks around a header are not part of it (RFC 9110 §5.5).
  expect((await raw(url, 'GET', stream, header(''))).text).toMatch(/^retry: \d+\n\nid: 1\n/)
  expect((await raw(url, 'GET', stream, header(' 2 '))).text).toMatch(/^retry: \d+\n\nid: 3\n/)
})

test('F77 methods and addresses that are not served', async () => {
  const { refuses, group, agent } = await start()
  const send = `/v1/groups/${group}/messages`
  await refuses([
    ...['PUT', 'DELETE', 'TRACE', 'PROPFIND'].map((method): Row => [
      method,
      method,
      send,
      method === 'PUT' ? json(hi) : {},
      404,
    ]),
    ['nowhere', 'GET', '/v1/nowhere', {}, 404],
    ['outside', 'GET', '/etc/passwd', {}, 404],
    ['an agent’s message', 'PATCH', `/v1/agents/${agent}/messages/${newId('message')}`, json({}), 405, /immutable/],
  ])
})
