import Database from 'better-sqlite3'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { typed } from '../support/cli.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { startServer, tempFolder } from '../support/server.ts'

const hello = { input: 'Hello' }
const tool = { type: 'function', name: 'look', description: 'Looks', parameters: { type: 'object', properties: {} } }

test('torn histories are mended as they were torn, and said; then nothing is wrong', async () => {
  const { file, server, agentId } = await talkedTo()
  await server.close()
  const lost = inFile(file, (db) => db.prepare(`DELETE FROM messages WHERE role = 'tool' RETURNING parts`).pluck().get())
  const [{ tool_call_id: call }] = JSON.parse(lost as string)
  inFile(file, (db) =>
    db.exec(`INSERT INTO messages (id, tenant, agent_id, role, parts, is_err, date, heard) SELECT 'message-stray', tenant, id, 'tool',
      '[{"type":"tool_return","tool_call_id":"nobody","content":"?","is_error":false}]', 0, 0, 0 FROM agents`),
  )
  const before = everyMessage(file)

  const dry = await doctor(file, '--dry-run')
  expect(dry.code).toBe(1)
  expect(dry.stdout).toContain(
    `✗ Ann (${agentId}): the call ${call} of core_memory_append has no result; message-stray has results`,
  )
  expect(everyMessage(file)).toEqual(before)

  const mended = await doctor(file)
  expect(mended.code, mended.stdout).toBe(0)
  expect(mended.stdout).toContain(`✚ Ann (${agentId}): the call ${call} of core_memory_append has no result`)
  expect(everyMessage(file).length).toBe(before.length + 1)
  expect(
    inFile(file, (db) =>
      db.prepare(`SELECT is_err, parts ->> '$[0].is_error' AS marked FROM messages ORDER BY seq DESC`).get(),
    ),
  ).toEqual({
    is_err: 1,
    marked: 1,
  })
  expect((await doctor(file)).stdout).toContain('✓ The histories of 1 agents are well paired')

  // The model is told right behind the call, though the row is younger than what was said since.
  const again = await startServer({ DATABASE_URL: `file:${file}` })
  await again.api.post(`/v1/agents/${agentId}/messages`, hello)
  const sent = again.llm.requests.at(-1)!.body.messages as { role: string; tool_call_id?: string; content: string }[]
  const at = sent.findIndex(({ tool_call_id }) => tool_call_id === call)
  expect(sent.slice(at - 1, at + 2)).toMatchObject([
    { role: 'assistant', tool_calls: [{ id: call }] },
    { role: 'tool', content: expect.stringContaining('it was lost') },
    { role: 'assistant', content: 'I remember.' },
  ])
  expect(JSON.stringify(sent)).not.toContain('nobody"')
})

test('a call that waits for an answer is not taken for a lost one', async () => {
  const { api, llm, close, file } = await onFile()
  const { id } = await api.agent()
  llm.script([{ toolCalls: [{ name: 'look', arguments: '{}' }] }])
  await api.post(`/v1/agents/${id}/messages`, { ...hello, client_tools: [tool] })
  await close()
  expect(await doctor(file)).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ The histories of 1 agents') })
})

test('a lock that a run left behind is taken away', async () => {
  const { file, server, agentId } = await talkedTo()
  await server.close()
  inFile(file, (db) => db.exec(`INSERT INTO busy SELECT '${agentId}', id FROM runs LIMIT 1`))
  expect((await doctor(file, '--dry-run')).code).toBe(1)
  expect(await doctor(file)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`by runs that have ended: ${agentId}. They are free now`),
  })
  expect(inFile(file, (db) => db.prepare('SELECT * FROM busy').all())).toEqual([])
})

test('frames that are missing, or have no end, are said', async () => {
  const { file, server } = await talkedTo()
  await server.close()
  const run = inFile(file, (db) => db.prepare<[], string>('SELECT id FROM runs').pluck().get()!)
  inFile(file, (db) => db.exec('UPDATE segments SET first = 3, final = 0'))
  const { code, stdout } = await doctor(file)
  expect(code).toBe(1)
  expect(stdout).toContain(`✗ Frames are missing from the streams of 1 runs: ${run}`)
  expect(stdout).toContain(`✗ The streams of 1 runs have no end: ${run}`)
})

test('a damaged file, a reference to nothing and a newer schema are each one line', async () => {
  const { file, server } = await talkedTo()
  await server.close()
  inFile(file, (db) => {
    db.exec(`PRAGMA foreign_keys = OFF; INSERT INTO busy VALUES ('a', 'run-gone')`)
    db.exec(`INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9e12)`)
  })
  const { code, stdout } = await doctor(file, '--dry-run')
  expect(code).toBe(1)
  expect(stdout).toContain('✗ 1 rows refer to rows that are not there: busy → runs')
  expect(stdout).toContain('✗ The schema is of a newer Roundtable')
  const letter = join(tempFolder(), 'letter.txt')
  writeFileSync(letter, 'Dear database, '.repeat(1000))
  expect(await doctor(letter)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Cannot look at .*letter\.txt: .+\n$/) })
})

test('while a server works on the file it is only looked at', async () => {
  const { file, server, agentId } = await talkedTo()
  inFile(file, (db) => db.exec(`INSERT INTO busy SELECT '${agentId}', id FROM runs LIMIT 1`))
  const { code, stdout } = await doctor(file)
  expect(code).toBe(1)
  expect(stdout).toContain('A server works on the file')
  expect(inFile(file, (db) => db.prepare('SELECT count(*) FROM busy').pluck().get())).toBe(1)
  await server.close()
})

test('a run at work is fine while somebody holds its lease', async () => {
  const { api, llm, file } = await onFile()
  const { id } = await api.agent({ name: 'Ann' })
  const held = llm.hold()
  const answer = api.post(`/v1/agents/${id}/messages`, hello)
  await llm.received(1)
  expect((await doctor(file)).stdout).toContain('✓ 1 runs are at work')
  const run = inFile(file, (db) => db.prepare<[], string>('UPDATE runs SET epoch = NULL RETURNING id').pluck().get()!)
  expect((await doctor(file)).stdout).toContain(`✗ 1 runs are open, and nobody works on them: ${run}`)
  const copy = join(tempFolder(), 'copy.db')
  await typed(['backup', copy], { DATABASE_URL: `file:${file}` })
  expect((await doctor(copy)).stdout).toContain(`· 1 runs were cut off; they go on when the server starts: ${run}`)
  held.push('Well.')
  held.finish()
  await answer
})

test('each provider is asked, and one that answers with nothing is said', async () => {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = { OPENAI_API_KEY: 'sk-test-canary', OPENAI_BASE_URL: llm.url }
  const asked = await typed(['doctor'], { ...settings, OLLAMA_BASE_URL: 'http://127.0.0.1:1' })
  expect(asked.code).toBe(1)
  expect(asked.stdout).toContain('✓ openai offers 2 models')
  expect(asked.stdout).toContain('✗ ollama lists no model at http://127.0.0.1:1/v1')
  expect(asked.stdout + asked.stderr).not.toContain('canary')
})

test('the sandboxes are tried by running something in them', async () => {
  const { code, stdout } = await typed(['doctor'], { ROUNDTABLE_CUSTOM_TOOLS: 'true' })
  expect(stdout).toContain('✓ JavaScript tools run in their sandbox')
  // Python where bubblewrap is there; else it is said what is missing.
  expect(stdout).toMatch(code === 0 ? '✓ Python tools run in their sandbox' : /✗ Python tools: .*(bwrap|python3|contained)/)
})

const doctor = (file: string, ...args: string[]) => typed(['doctor', ...args], { DATABASE_URL: `file:${file}` })

async function onFile() {
  const file = join(tempFolder(), 'test.db')
  return { file, ...(await startServer({ DATABASE_URL: `file:${file}` })) }
}

/** A file in which an agent has called a tool. */
async function talkedTo() {
  const { file, ...server } = await onFile()
  const { id: agentId } = await server.api.agent({
    name: 'Ann',
    include_base_tools: true,
    memory_blocks: [{ label: 'human', value: '' }],
    agent_type: 'memgpt_v2_agent',
    tools: ['core_memory_append'],
  })
  server.llm.script([
    { toolCalls: [{ name: 'core_memory_append', arguments: '{"label":"human","content":"Likes the sea."}' }] },
    { text: 'I remember.' },
  ])
  await server.api.post(`/v1/agents/${agentId}/messages`, hello)
  return { file, server, agentId }
}

function inFile<T>(file: string, work: (db: Database.Database) => T): T {
  const db = new Database(file, { fileMustExist: true })
  try {
    return work(db)
  } finally {
    db.close()
  }
}

const everyMessage = (file: string) => inFile(file, (db) => db.prepare('SELECT * FROM messages ORDER BY seq').all())
