import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { apiAt } from '../support/api.ts'
import { launch, publishedEntry } from '../support/process.ts'
import { tempFolder } from '../support/server.ts'

test('a full disk behind standard output disturbs nobody (F23)', async ({ skip }) => {
  if (!existsSync('/dev/full')) return skip('there is no /dev/full')
  const full = openSync('/dev/full', 'w')
  const { child, url } = await startUnheard(full)
  closeSync(full)
  await work(url)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('a reader of standard output that stalls holds up nobody, nor the end (F23)', async () => {
  const server = launch({})
  const url = await server.listening
  server.child.stdout!.pause()
  await work(url)
  const ended = once(server.child, 'exit')
  server.child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  // It is told how much it missed when it takes the rest; here it was the end, so what the pipe holds are whole lines.
  server.child.stdout!.resume()
  const { stdout } = await server.exited
  expect(stdout.split('\n').filter((line) => line.includes('"/missing')).length).toBeGreaterThan(0)
})

test('a reader of standard output that goes away takes nobody with it (F23)', async () => {
  const server = launch({})
  const url = await server.listening
  server.child.stdout!.destroy()
  await work(url)
  const ended = once(server.child, 'exit')
  server.child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})

/** More lines than a pipe and its buffers take, then proof of life. */
async function work(url: string) {
  const path = `/missing/${'x'.repeat(4000)}`
  for (let batch = 0; batch < 20; batch++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(url + path)))
    for (const answer of answers) {
      expect(answer.status).toBe(404)
      await answer.arrayBuffer()
    }
  }
  await apiAt(url).group(['ana'])
}

/** A server whose standard output nobody can read: it is asked until it answers. */
async function startUnheard(stdout: number): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort()
  const child = spawn(process.execPath, [publishedEntry], {
    cwd: tempFolder(),
    env: { PORT: String(port), ROUNDTABLE_DEMO: 'false' },
    stdio: ['ignore', stdout, 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}`
  await vi.waitFor(() => apiAt(url).get('/v1/health'), { timeout: 30_000 })
  return { child, url }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
