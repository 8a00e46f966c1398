import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import { startProcess } from '../support/process.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { checkTalk, expectStored, storedFrames, talk } from './history.ts'

async function startModel(more: Record<string, string> = {}) {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const file = join(tempFolder(), 'test.db')
  const settings = {
    DATABASE_URL: `file:${file}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ...more,
  }
  return { llm, file, settings }
}

test.each(['speaks on', 'is silent'])(
  'F100 a server that slept while another took its file over writes nothing more, and ends by itself, when its model %s',
  async (how) => {
    const { llm, file, settings } = await startModel()
    const first = await startProcess(settings)
    const { id } = await first.api.group(['Ann', 'Bob', 'Cyd'])
    llm.script([{ text: 'I begin.' }])
    const sent = talk(first.url, { groupId: id, input: 'Hi', tokens: true, readers: 2 })
    await llm.received(1)
    const held = llm.hold()
    const one = await sent
    await llm.received(2)
    held.push('I am cut ')
    await Promise.all(one.readers.map((reader) => reader.until((seen) => seen.some(({ text }) => text.includes('I am cut ')))))

    first.child.kill('SIGSTOP')
    rmSync(`${file}.lock`)
    const second = await startProcess(settings)
    const { frames, fate } = await checkTalk(second.url, one)
    expect(fate).toBe('went on')

    if (how === 'speaks on') {
      held.push('and say more. ')
      held.finish()
    }
    first.child.kill('SIGCONT')
    const { code, stderr } = await first.exited
    expect(code).toBe(1)
    expect(stderr).toBe(`Another process has taken over the database ${file}: nothing more is written\n`)

    expect(await storedFrames(second.url, one.runId)).toEqual(frames)
    for (const { seen } of one.readers) expectStored(seen, frames)
    const listed = await second.api.get<LettaMessage[]>(`/v1/groups/${id}/messages?order=asc&limit=100`)
    expect(listed.map(({ name, message_type: type }) => `${name} ${type}`).slice(1)).toEqual(
      ['Ann', 'Bob', 'Cyd'].map((name) => `${name} assistant_message`),
    )
    // Ann once, Bob twice, Cyd once: who was asleep asked nobody any more.
    expect(llm.requests).toHaveLength(4)
    expect(await second.api.post(`/v1/groups/${id}/messages`, { input: 'Again' })).toMatchObject({
      stop_reason: { stop_reason: 'end_turn' },
    })
    expect(await second.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  },
)

test('F98 beside a process that never rests readers of a silent model are kept, and nothing is lost', async () => {
  const { llm, settings } = await startModel({ LETTA_KEEPALIVE_INTERVAL: '0.05' })
  // Both on one processor, where that can be said.
  const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0 ? ['taskset', '-c', '0'] : []
  const [command, ...args] = [...pinned, process.execPath, '-e', 'process.stdout.write("."); for (;;);']
  const hog = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void hog.kill('SIGKILL'))
  await once(hog.stdout, 'data')

  const server = await startProcess(settings, { under: pinned })
  const { id } = await server.api.group(['Ann', 'Bob'])
  const held = llm.hold()
  const one = await talk(server.url, { groupId: id, input: 'Hi', tokens: true, readers: 3 })
  const keepalives = (count: number) =>
    Promise.all(
      one.readers.map((reader) => reader.until((seen) => seen.filter((frame) => frame.id === undefined).length >= count)),
    )
  await keepalives(20)
  for (let word = 0; word < 200; word++) held.push(`word${word} `)
  await Promise.all(one.readers.map((reader) => reader.until((seen) => seen.some(({ text }) => text.includes('word199 ')))))
  await keepalives(40)
  held.finish()
  await Promise.all(one.readers.map(async (reader) => expect(await reader.ended).toBe('end')))
  const { frames, fate } = await checkTalk(server.url, one)
  expect(fate).toBe('undisturbed')
  for (const { seen } of one.readers)
    expect(seen.filter((frame) => frame.id !== undefined).map(({ text }) => text)).toEqual(frames)
  expect(llm.requests).toHaveLength(2)
})
