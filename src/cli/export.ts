import { writeFileSync } from 'node:fs'
import { type Client, clientOf, clientOptions } from './client.ts'
import { type Command, type Given, oneWord } from './command.ts'
import { fileOf, loadGroup } from './current.ts'
import { writeGroupFile } from './group-file.ts'
import { meantGroup } from './groups.ts'
import { say } from './terminal.ts'

export const command: Command = {
  usage: '--group <group>',
  summary: 'write a group with its agents, memory and tools as one YAML file, for `apply`',
  options: {
    group: { type: 'boolean', help: 'a whole group, as YAML' },
    output: { type: 'string', short: 'o', help: 'a new file; by default standard output' },
    name: { type: 'string', help: 'the name of a group in its file; by default its project, or made of its description' },
    ...clientOptions,
  },
  async run(given) {
    const text = await groupYaml(clientOf(given), given)
    const output = given.text('output')
    if (output === undefined) say(text.trimEnd())
    else writeFileSync(output, text, { flag: 'wx' })
    return 0
  },
}

async function groupYaml(client: Client, given: Given): Promise<string> {
  const group = await meantGroup(client, oneWord(given, 'a group'))
  const name = given.text('name') ?? group.project_id ?? slug(group.description)
  return writeGroupFile(fileOf(await loadGroup(client, group), name))
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40) || 'group'
