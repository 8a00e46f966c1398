import Database from 'better-sqlite3'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { typed } from '../support/cli.ts'
import { startServer, tempFolder } from '../support/server.ts'

test('a copy made while runs are being written is whole, and a server goes on from it', async () => {
  const { file, api, llm, close } = await onFile()
  llm.script(() => ({ text: 'So it is, '.repeat(50) }))
  const group = await api.group(['ana', 'ben'])
  await api.post(`/v1/groups/${group.id}/messages`, { input: 'Before' })
  const copy = join(tempFolder(), 'copy.db')
  const done = new AbortController()
  const writing = (async () => {
    while (!done.signal.aborted) await api.post(`/v1/groups/${group.id}/messages`, { input: 'During' })
  })()
  const { code, stdout } = await typed(['backup', copy], { DATABASE_URL: `file:${file}` })
  done.abort()
  await writing
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/copy\.db: \d+ KiB, whole\n/) })
  await close()

  const db = new Database(copy, { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
  const restored = await startServer({ DATABASE_URL: `file:${copy}` })
  const said = await restored.api.get<{ content: unknown }[]>(`/v1/groups/${group.id}/messages?order=asc&limit=100`)
  expect(JSON.stringify(said)).toContain('Before')
  // The run that the copy was made in the middle of goes on first.
  await restored.api.post(`/v1/groups/${group.id}/messages`, { input: 'After', on_busy: 'enqueue' })
})

test('nothing is overwritten, and nothing half-made is left', async () => {
  const { file, close } = await onFile()
  await close()
  const folder = tempFolder()
  const taken = join(folder, 'taken.db')
  writeFileSync(taken, 'mine')
  const refused = await typed(['backup', taken], { DATABASE_URL: `file:${file}` })
  expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('not overwritten') })
  expect(readFileSync(taken, 'utf8')).toBe('mine')
  const nowhere = await typed(['backup', join(folder, 'no', 'where.db')], { DATABASE_URL: `file:${file}` })
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/^No backup was made: .+\n$/) })
  const missing = await typed(['backup', join(folder, 'b.db')], { DATABASE_URL: `file:${folder}/none.db` })
  expect(missing).toMatchObject({ code: 1, stderr: `There is no database ${folder}/none.db\n` })
  expect(readdirSync(folder)).toEqual(['taken.db'])
})

async function onFile() {
  const file = join(tempFolder(), 'test.db')
  return { file, ...(await startServer({ DATABASE_URL: `file:${file}` })) }
}
