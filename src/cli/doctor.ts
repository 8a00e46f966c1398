import { type Config, readConfig } from '../config.ts'
import { examine } from '../db/examine.ts'
import type { Finding } from '../db/finding.ts'
import { createProviders } from '../llm/index.ts'
import { Sandbox } from '../tools/sandbox.ts'
import { ToolError } from '../tools/tool.ts'
import type { Command } from './command.ts'
import { say, styled } from './terminal.ts'

export const command: Command = {
  usage: '',
  summary: 'check the database, the providers and the sandboxes; mend what can be mended',
  options: {
    'dry-run': { type: 'boolean', help: 'change nothing' },
    database: { type: 'string', help: 'file:<path>; DATABASE_URL' },
  },
  async run({ text, flag }, { migrations }) {
    const config = readConfig(undefined, { DATABASE_URL: text('database') })
    const found = examine(config.databaseUrl, { migrations, repair: !flag('dry-run') })
    show(found)
    const asked = await Promise.all([providers(config), sandboxes(config)])
    show(asked.flat())
    const bad = [...found, ...asked.flat()].filter(({ level }) => level === 'trouble').length
    say(bad === 0 ? 'Nothing is wrong.' : `${bad} ${bad === 1 ? 'thing is' : 'things are'} wrong.`)
    return bad === 0 ? 0 : 1
  },
}

const marks = { fine: ['green', '✓'], note: ['cyan', '·'], mended: ['yellow', '✚'], trouble: ['red', '✗'] } as const

function show(findings: Finding[]) {
  for (const { level, text } of findings) say(`${styled(marks[level][0], marks[level][1])} ${text}`)
}

/** Each provider of the settings is asked for its models. */
async function providers(config: Config): Promise<Finding[]> {
  if (config.providers.length === 0) return [{ level: 'note', text: 'No provider is set: there is the demo model only' }]
  return await Promise.all(
    config.providers.map(async (settings): Promise<Finding> => {
      const one = createProviders([settings], { ...config, demoTokenMs: undefined })
      const models = await one.list()
      await one.close()
      return models.length > 0
        ? { level: 'fine', text: `${settings.name} offers ${models.length} models` }
        : {
            level: 'trouble',
            text: `${settings.name} lists no model at ${settings.baseUrl}: is the key right, and the address?`,
          }
    }),
  )
}

const greetings = [
  ['JavaScript', 'javascript', 'function hello() { return "hello" }'],
  ['Python', 'python', 'def hello():\n    return "hello"'],
] as const

/** One small tool of each language is run. */
async function sandboxes({ customTools, ...config }: Config): Promise<Finding[]> {
  if (!customTools) return [{ level: 'note', text: 'Custom tools are off (ROUNDTABLE_CUSTOM_TOOLS)' }]
  const sandbox = new Sandbox({ ...config, customTools })
  const findings = await Promise.all(
    greetings.map(async ([language, source_type, source_code]): Promise<Finding> => {
      try {
        await sandbox.runSource({ name: 'hello', source_type, source_code }, {}, {}, new AbortController().signal)
        return { level: 'fine', text: `${language} tools run in their sandbox` }
      } catch (error) {
        if (!(error instanceof ToolError)) throw error
        return { level: 'trouble', text: `${language} tools: ${error.message}` }
      }
    }),
  )
  await sandbox.close()
  return findings
}
