import { writeFileSync } from 'node:fs'
import { type Client, clientOf, clientOptions } from './client.ts'
import { type Command, type Given, oneWord, UsageError } from './command.ts'
import { fileOf, loadGroup } from './current.ts'
import { exported, meantAgent } from './exported.ts'
import { writeGroupFile } from './group-file.ts'
import { meantGroup } from './groups.ts'
import { say } from './terminal.ts'

export const command: Command = {
  usage: '--group <group> | --agent <agent> [file]',
  summary: 'write a group as one YAML file, for `apply`, or an agent as a Letta agent file, for `import`',
  options: {
    group: { type: 'boolean', help: 'a whole group, as YAML' },
    agent: {
      type: 'boolean',
      help: 'an agent, by its id or name, as .af, with the group that it manages; without its messages',
    },
    output: { type: 'string', short: 'o', help: 'a new file; by default standard output' },
    name: { type: 'string', help: 'the name of a group in its file; by default its project, or made of its description' },
    ...clientOptions,
  },
  async run(given) {
    if (given.flag('agent') && given.flag('group')) throw new UsageError('Either a group or an agent')
    const client = clientOf(given)
    const [agent, file, ...more] = given.flag('agent') ? given.words : []
    if (more.length > 0) throw new UsageError('It takes an agent and a file')
    const text = agent === undefined ? await groupYaml(client, given) : await exported(client, await meantAgent(client, agent))
    const output = given.text('output') ?? file
    if (output === undefined) say(text.trimEnd())
    else writeFileSync(output, text, { flag: 'wx' })
    return 0
  },
}

async function groupYaml(client: Client, given: Given): Promise<string> {
  const group = await meantGroup(client, oneWord(given, 'a group, or an agent with --agent'))
  const name = given.text('name') ?? group.project_id ?? slug(group.description)
  return writeGroupFile(fileOf(await loadGroup(client, group), name))
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40) || 'group'
