import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { type, typed } from '../support/cli.ts'
import { startProcess } from '../support/process.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { startServer, tempFolder, type TestServer } from '../support/server.ts'

test('one message: each speaker in its colour, thoughts dimmed, and the exit code of the run', async () => {
  const { group, llm, env } = await company()
  llm.script([{ reasoning: 'The sea.', text: 'Let us sail.' }, { text: 'In the rain?' }])
  const { code, stdout } = await typed(['chat', group, 'Where', 'to?'], { ...env, FORCE_COLOR: '1' })
  expect(code).toBe(0)
  expect(stripVTControlCharacters(stdout)).toBe('ana thinks: The sea.\nana: Let us sail.\nben: In the rain?\n')
  expect(stdout).toContain('\u001B[2mThe \u001B[22m')
  const [ana, ben] = [/\[(3\d)mana/.exec(stdout)?.[1], /\[(3\d)mben/.exec(stdout)?.[1]]
  expect(ana).toBeDefined()
  expect(ana).not.toBe(ben)
  expect(llm.requests[0]!.body.messages.at(-1).content).toContain('Where to?')

  llm.script([{ status: 401 }])
  const failed = await typed(['chat', group, 'Again'], env)
  expect(failed.code).toBe(1)
  expect(failed.stdout).toContain('401')
})

test('line by line, until there are no more; a group goes by words of its description, or alone by none', async () => {
  const { llm, env } = await company()
  llm.script((_, n) => ({ text: `Answer ${n}.` }))
  const talk = type(['chat', 'A TEST'], env)
  talk.type('One')
  await talk.until('ben: Answer 2.\nyou: ')
  talk.type('Two')
  await talk.until('ben: Answer 4.\nyou: ')
  talk.child.stdin!.end()
  expect(await talk.exited).toMatchObject({ code: 0, stderr: '' })
  expect((await typed(['chat', '', 'Three'], env)).stdout).toBe('ana: Answer 5.\nben: Answer 6.\n')
})

test('which groups there are, and what to say when it is not clear which is meant', async () => {
  const { api, group, env } = await company()
  expect((await typed(['groups'], env)).stdout).toBe(`${group}  round_robin  ana, ben  a test\n`)
  const other = await api.group(['cleo'], { description: 'Another test' })
  const unclear = await typed(['chat', 'test', 'Hi'], env)
  expect(unclear).toMatchObject({ code: 2, stdout: '' })
  expect(unclear.stderr).toContain(`${other.id}  round_robin  cleo  Another test`)
  expect(await typed(['chat', 'party', 'Hi'], env)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^There is no group party\n/),
  })
})

test('calls that wait are asked about in place, and the turn goes on', async () => {
  const { api, llm, env } = await company()
  const careful = await api.agent({
    name: 'cleo',
    include_base_tools: true,
    memory_blocks: [{ label: 'human', value: '' }],
    tool_rules: [{ type: 'requires_approval', tool_name: 'memory_insert' }],
  })
  const { id } = await api.post<{ id: string }>('/v1/groups/', { agent_ids: [careful.id], description: 'Careful' })
  const insert = (value: string) => ({
    toolCalls: [{ id: value, name: 'memory_insert', arguments: JSON.stringify({ label: 'human', new_string: value }) }],
  })
  llm.script([insert('tea'), insert('coffee'), { text: 'Noted.' }])
  const talk = type(['chat', id], env)
  talk.type('I like tea and coffee')
  await talk.until('May cleo run memory_insert({"label":"human","new_string":"tea"})?')
  talk.type('y')
  await talk.until('May cleo run memory_insert({"label":"human","new_string":"coffee"})?')
  talk.type('n it was a joke')
  await talk.until('cleo: Noted.\nyou: ')
  expect((await api.get<{ value: string }>(`/v1/agents/${careful.id}/core-memory/blocks/human`)).value).toBe('tea')
  expect(JSON.stringify(llm.requests.at(-1)!.body.messages)).toContain('it was a joke')
})

test('a call that waits since earlier is asked about when the talk is taken up', async () => {
  const { api, group, llm, env } = await company()
  const [ana] = (await api.get<{ agent_ids: string[] }>(`/v1/groups/${group}`)).agent_ids
  const lent = { source_type: 'typescript', source_code: 'const pay = () => 1' }
  const json_schema = { name: 'pay', description: 'Pays.', parameters: { type: 'object', properties: {} } }
  const tool = await api.post<{ id: string }>('/v1/tools/', { ...lent, json_schema, default_requires_approval: true })
  await api.patch(`/v1/agents/${ana}/tools/attach/${tool.id}`)
  llm.script([{ toolCalls: [{ name: 'pay', arguments: '{}' }] }, { text: 'Then not.' }, { text: 'Good.' }])
  await api.post(`/v1/groups/${group}/messages`, { input: 'Pay' })
  const talk = type(['chat', group], env)
  await talk.until('May ana run pay({})?')
  talk.type('no')
  await talk.until('ana: Then not.\nben: Good.\nyou: ')
})

test('Ctrl-C stops who is speaking, and then the talk', async () => {
  const { group, llm, env } = await company()
  const held = llm.hold()
  const talk = type(['chat', group], env)
  talk.type('Speak')
  held.push('Once upon ')
  await talk.until('ana: Once upon ')
  talk.child.kill('SIGINT')
  await talk.until('(stopped)\nyou: ')
  talk.child.kill('SIGINT')
  expect(await talk.exited).toMatchObject({ code: 130 })
})

test('a line that is cut at any moment is taken up where it was: every word once', async () => {
  const server = await company()
  const line = await lineTo(server)
  const held = server.llm.hold()
  const talk = type(['chat', server.group, 'Count'], { ROUNDTABLE_URL: line.url })
  for (const word of ['one ', 'two ', 'three ', 'four ']) {
    held.push(word)
    await talk.until(word)
    line.cut()
    await talk.until(new RegExp(`(the connection is lost[^]*?){${line.cuts}}`))
    // Said while nobody hears it.
    held.push(`${word}again `)
    await line.mend()
  }
  held.push('five.')
  held.finish()
  const { code, stdout } = await talk.exited
  expect(code).toBe(0)
  const said = stdout.replaceAll(/\n?\([^)]*\)\n|ana: /g, '')
  expect(said).toBe('one one again two two again three three again four four again five.\nben: Hello from gpt-4o-mini.\n')
})

test('a server that is started anew is waited for, and what was typed meanwhile is said once', async () => {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = {
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
  }
  const first = await startProcess(settings)
  const { id: agent } = await first.api.agent({ name: 'ana', model: 'openai/gpt-4o-mini' })
  const group = await first.api.post<{ id: string }>('/v1/groups/', { agent_ids: [agent], description: 'a test' })
  const talk = type(['chat', group.id], { ROUNDTABLE_URL: first.url })
  talk.type('One')
  await talk.until('ana: Hello from gpt-4o-mini.\nyou: ')
  await first.kill('SIGTERM')
  talk.type('Two')
  await talk.until('waiting for the server')
  const second = await startProcess({ ...settings, PORT: new URL(first.url).port })
  await talk.until(/\(back\)\nana: Hello from gpt-4o-mini\.\nyou: /)
  const runs = await second.api.get<unknown[]>(`/v1/runs/?group_id=${group.id}`)
  expect(runs.length).toBe(2)
})

test('a server that wants a key gets it from the environment; without one, or without a server, it is one line', async () => {
  const { url } = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'open-sesame' })
  expect(await typed(['groups'], { ROUNDTABLE_URL: url, ROUNDTABLE_API_KEY: 'open-sesame' })).toMatchObject({ code: 0 })
  expect(await typed(['groups'], { ROUNDTABLE_URL: url })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^GET .*: 401 .*\n$/),
  })
  const nobody = await typed(['groups', '--url', 'http://127.0.0.1:1'])
  expect(nobody).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^No server answers at http:\/\/127\.0\.0\.1:1: .*\n$/),
  })
})

test('the demo needs nothing: three speak, and nothing is kept', async () => {
  const { code, stdout, stderr } = await typed(['demo', 'Hello'], { ROUNDTABLE_DEMO_TOKEN_MS: '0' })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const name of ['ana', 'ben', 'cleo']) expect(stdout).toMatch(new RegExp(`^${name}: \\S`, 'm'))
})

/** A server with a group of two. */
async function company() {
  const server = await startServer()
  const { id: group } = await server.api.group(['ana', 'ben'])
  return { ...server, group, env: { ROUNDTABLE_URL: server.url } }
}

/** A way to the server that can be cut. */
async function lineTo({ url }: Pick<TestServer, 'url'>) {
  const target = Number(new URL(url).port)
  const sockets = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    }
    near.pipe(far).pipe(near)
  })
  const listen = async (port: number) => {
    proxy.listen(port, '127.0.0.1')
    await once(proxy, 'listening')
    return (proxy.address() as AddressInfo).port
  }
  const port = await listen(0)
  let cuts = 0
  const cut = () => {
    cuts++
    proxy.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(cut)
  return {
    url: `http://127.0.0.1:${port}`,
    cut,
    mend: () => listen(port),
    get cuts() {
      return cuts
    },
  }
}
