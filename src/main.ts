import { helpOf, overview } from './cli/help.ts'
import { commands } from './cli/index.ts'
import { parse, UsageError } from './cli/command.ts'
import pkg from '../package.json' with { type: 'json' }

/** The process: a command and its exit code. */
async function main([first, ...rest]: string[]): Promise<number> {
  if (first === '--version' || first === '-v') return say(pkg.version)
  if (first === 'help' || first === '--help' || first === '-h') return say(await overview())
  const named = first !== undefined && !first.startsWith('-')
  const name = named ? first : 'serve'
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!load) throw new UsageError(`There is no command ${name}: ${Object.keys(commands).join(', ')}`)
  const { command } = await load()
  const given = parse(command, named ? rest : [...(first === undefined ? [] : [first]), ...rest])
  if (given.flag('help')) return say(helpOf(name, command))
  const folder = (path: string) => new URL(path, import.meta.url).pathname
  return await command.run(given, { migrations: folder('../migrations/sqlite'), page: folder('../dist/web') })
}

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

/** One line: what went wrong is the operator's to mend. */
function fail(error: unknown) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof UsageError ? 2 : 1)
}

main(process.argv.slice(2)).then((code) => process.exit(code), fail)
