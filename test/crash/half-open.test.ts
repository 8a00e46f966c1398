import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { apiAt } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { launch } from '../support/process.ts'
import { openReader } from '../support/reader.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'

test('F54 a peer that has vanished without a word is found, silent or spoken to, and its connection is free', async ({
  skip,
}) => {
  const network = otherMachine()
  if (!network) return skip('this machine lets nobody make a network')
  const llm = await scriptedProvider()
  onTestFinished(() => llm.close())
  const server = launch({
    HOST: network.here,
    DATABASE_URL: `file:${join(tempFolder(), 'test.db')}`,
    LETTA_SERVER_SECURE: 'true',
    LETTA_SERVER_PASSWORD: 'secret-of-the-test',
    OPENAI_BASE_URL: llm.url,
    OPENAI_API_KEY: 'sk-test-canary',
    ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    ROUNDTABLE_READER_STALL_SECONDS: '5',
  })
  const url = await server.listening
  const key = { authorization: 'Bearer secret-of-the-test' }
  const call = async <T>(path: string, body: unknown) => (await apiAt(url).call<T>('POST', path, body, key)).body
  const talk = async () => {
    const agent = await call<{ id: string }>('/v1/agents/', { name: 'ana' })
    const held = llm.hold()
    const sender = await openReader(`${url}/v1/agents/${agent.id}/messages/stream`, {
      method: 'POST',
      body: { messages: [{ role: 'user', content: 'talk' }], stream_tokens: true },
      headers: key,
    })
    await sender.until((seen) => seen.length >= 1)
    return { held, sender, stream: `${url}/v1/runs/${String(sender.headers['x-letta-run-id'])}/stream` }
  }
  const [silent, busy] = [await talk(), await talk()]
  await network.read(silent.stream, key.authorization)
  await network.read(busy.stream, key.authorization)
  expect(await connectionsFrom(network.there)).toBe(2)

  network.cut()
  // The one is told more than the kernel keeps for it, the other nothing at all.
  for (let n = 0; n < 60; n++) {
    busy.held.push('x'.repeat(100_000))
    await busy.sender.until((seen) => seen.length >= n + 2)
  }
  const begin = performance.now()
  await eventually(async () => (await connectionsFrom(network.there)) === 0)
  console.info(`both were found after ${Math.round((performance.now() - begin) / 1000)} s`)
  for (const { held, sender } of [silent, busy]) {
    held.finish()
    expect(await sender.ended).toBe('end')
  }
}, 120_000)

/** Established connections with a peer, as the kernel has them. */
async function connectionsFrom(peer: string): Promise<number> {
  const { stdout } = spawnSync('ss', ['-Htn', 'dst', peer], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => line.startsWith('ESTAB')).length
}

/** A network with one other machine on it, which may fall silent. Undefined where that is not allowed. */
function otherMachine() {
  const id = process.pid % 10_000
  const [space, near, far] = [`rt${id}`, `rta${id}`, `rtb${id}`]
  const net = `10.${200 + (id % 50)}.${id % 250}`
  const [here, there] = [`${net}.1`, `${net}.2`]
  const ip = (...args: string[]) => spawnSync('ip', args, { stdio: 'ignore' }).status === 0
  onTestFinished(() => {
    ip('link', 'del', near)
    ip('netns', 'del', space)
  })
  const made =
    ip('netns', 'add', space) &&
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space) &&
    ip('addr', 'add', `${here}/24`, 'dev', near) &&
    ip('link', 'set', near, 'up') &&
    ip('-n', space, 'addr', 'add', `${there}/24`, 'dev', far) &&
    ip('-n', space, 'link', 'set', far, 'up')
  if (!made) return undefined
  return {
    here,
    there,
    /** Somebody there reads a stream; resolves when the first of it has arrived. */
    async read(url: string, authorization: string) {
      const options = JSON.stringify({ headers: { authorization } })
      const script = `require('node:http').get('${url}', ${options}, (answer) => answer.pipe(process.stdout))`
      const reader = spawn('ip', ['netns', 'exec', space, process.execPath, '-e', script])
      onTestFinished(() => void reader.kill('SIGKILL'))
      await once(reader.stdout, 'data')
    },
    cut: () => void ip('-n', space, 'link', 'set', far, 'down'),
  }
}
