import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openReader, readToEnd } from '../support/reader.ts'
import { launch, startProcess } from '../support/process.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { checkTalk, talk } from './history.ts'

test('F102 a server that stands by takes over the runs of one that dies, and their readers see the rest there', async () => {
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const settings = {
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
  }
  const first = await startProcess(settings)
  const second = launch({ ...settings, ROUNDTABLE_STANDBY: 'true' })
  await second.said(/stands by/)
  const { id } = await first.api.group(['Ann', 'Bob', 'Cyd'])
  llm.script([{ text: 'I begin.' }])
  const sent = talk(first.url, { groupId: id, input: 'Hi', tokens: true, readers: 2 })
  await llm.received(1)
  const held = llm.hold()
  const one = await sent
  await llm.received(2)
  held.push('I am cut ')
  await one.readers[1]!.until((seen) => seen.some(({ text }) => text.includes('I am cut ')))
  await first.kill('SIGKILL')

  const url = await second.listening
  const after = one.readers[1]!.seen.at(-1)!.id!
  const rest = await readToEnd(`${url}/v1/runs/${one.runId}/stream`, { headers: { 'last-event-id': String(after) } })
  expect(rest.seen.find(({ id: frame }) => frame !== undefined)?.id).toBe(after + 1)
  const { fate, frames } = await checkTalk(url, one)
  expect(fate).toBe('went on')
  expect(frames.join('')).toContain('gpt-4o-mini.')
  // Ann's word was not asked for again, Bob's was, and Cyd spoke once.
  expect(llm.requests).toHaveLength(4)

  // The next one that stands by has its turn when this one leaves.
  const third = launch({ ...settings, ROUNDTABLE_STANDBY: 'true' })
  await third.said(/stands by/)
  expect(await second.kill('SIGTERM')).toMatchObject({ code: 0 })
  const reader = await openReader(`${await third.listening}/v1/runs/${one.runId}/stream`)
  expect(reader.status).toBe(200)
})
