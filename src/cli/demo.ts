import { readConfig } from '../config.ts'
import { startServer } from '../server.ts'
import type { Group } from '../wire/group.ts'
import { chat } from './chat.ts'
import { connectTo } from './client.ts'
import type { Command } from './command.ts'
import { say } from './terminal.ts'

export const command: Command = {
  usage: '[message …]',
  summary: 'three agents to talk to, at once: no key, no file, nothing is kept',
  options: { port: { type: 'string', help: 'where its page is; by default any free port' } },
  async run({ words, text }, place) {
    const config = readConfig(undefined, {
      HOST: '127.0.0.1',
      PORT: text('port') ?? '0',
      DATABASE_URL: ':memory:',
      ROUNDTABLE_DEMO: 'true',
    })
    const server = await startServer(config, place)
    say(`The same in a browser: ${server.url}`)
    const client = connectTo(server.url, config.password)
    const code = await chat(client, await client.get<Group>(`/v1/groups/${server.demoGroup}`), words.join(' '))
    await server.close()
    return code
  },
}
