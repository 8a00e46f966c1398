import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Manager } from '../../src/loop/managers/manager.ts'
import { managers } from '../../src/loop/managers/index.ts'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { LettaResponse } from '../../src/wire/response.ts'
import { startServer } from '../support/server.ts'

const root = new URL('../../', import.meta.url).pathname

/** The manager in docs/managers.md, as it stands there. */
async function fromDocs(): Promise<{ source: string; debate: Manager }> {
  const [, source] = /```ts\n(\/\/ src\/loop\/managers\/debate\.ts\n.*?)```/s.exec(
    readFileSync(join(root, 'docs/managers.md'), 'utf8'),
  )!
  const file = join(mkdtempSync(join(tmpdir(), 'roundtable-')), 'debate.ts')
  writeFileSync(file, source!.replaceAll("'./manager.ts'", `'${join(root, 'src/loop/managers/manager.ts')}'`))
  return { source: source!, debate: ((await import(/* @vite-ignore */ file)) as { debate: Manager }).debate }
}

test('the manager in the docs is short, and runs a conversation as it says', async () => {
  const { source, debate } = await fromDocs()
  expect(source.split('\n').length).toBeLessThan(40)
  const own = managers.round_robin
  managers.round_robin = debate
  onTestFinished(() => {
    managers.round_robin = own
  })
  const { api, llm } = await startServer()
  const { id } = await api.group(['pro', 'contra', 'judge'])
  llm.script([{ text: 'Yes!' }, { text: 'No!' }, { text: 'Well, I concede.' }, { text: 'Contra wins.' }])
  const { messages } = await api.post<LettaResponse>(`/v1/groups/${id}/messages`, { input: 'Is it so?' })
  const spoke = messages.flatMap((message: LettaMessage) =>
    message.message_type === 'assistant_message' ? [message.name] : [],
  )
  expect(spoke).toEqual(['pro', 'contra', 'pro', 'judge'])
  expect(JSON.stringify(llm.requests.at(-1)!.body.messages)).toContain('You are the judge')
})
