import { readFileSync } from 'node:fs'
import { clientOf, clientOptions } from './client.ts'
import { type Command, oneWord } from './command.ts'
import { readGroupFile } from './group-file.ts'
import { Lines } from './lines.ts'
import { type Change, plan } from './plan.ts'
import { say, styled } from './terminal.ts'

export const command: Command = {
  usage: '<file.yaml>',
  summary: 'make the server have the group that a file describes; shows what would change and asks first',
  options: {
    yes: { type: 'boolean', short: 'y', help: 'do not ask' },
    'keep-memory': { type: 'boolean', help: 'leave what agents have written into their memory' },
    ...clientOptions,
  },
  async run(given) {
    const client = clientOf(given)
    const file = readGroupFile(readFileSync(oneWord(given, 'a file'), 'utf8'))
    const changes = await plan(client, file, { keepMemory: given.flag('keep-memory') })
    if (changes.length === 0) return done('Nothing changes.')
    for (const change of changes) show(change)
    if (!given.flag('yes') && !(await agreed())) return done('Nothing was changed.', 1)
    for (const change of changes) await make(change)
    return done('Done.')
  },
}

const colours = { '+': 'green', '~': 'yellow' } as const

function show({ mark, what, lines }: Change) {
  say(styled(colours[mark], `${mark} ${what}`))
  for (const line of lines) say(`    ${line}`)
}

async function make({ what, make: work }: Change) {
  try {
    await work()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${what}: ${reason}. What is above it was done. Apply the file again when this is mended`, { cause })
  }
}

async function agreed(): Promise<boolean> {
  using lines = new Lines()
  return /^y(es)?$/i.test((await lines.ask('Do it? y or n: ')) ?? '')
}

function done(text: string, code = 0): number {
  say(text)
  return code
}
