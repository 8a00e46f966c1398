import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/** What was typed behind a command's name. */
export interface Given {
  words: string[]
  text(option: string): string | undefined
  flag(option: string): boolean
}

/** One word of the command line: a file in this folder and a line in index.ts. */
export interface Command {
  /** What it takes, e.g. `<file>`. */
  usage: string
  /** One line of help. */
  summary: string
  options: Record<string, ParseArgsOptionsConfig[string] & { help: string }>
  /** @returns the exit code; a thrown error is one line for the person and exit code 1 */
  run(given: Given, place: Place): Promise<number>
}

/** Where the program is. */
export interface Place {
  /** The folder of the generated migrations. */
  migrations: string
  /** The folder of the built page. */
  page: string
}

/** What was typed makes no sense: exit code 2. */
export class UsageError extends Error {}

/** @throws {UsageError} */
export function parse({ options }: Command, args: string[]): Given {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { ...options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
    const given = values as Record<string, string | boolean | undefined>
    return {
      words: positionals,
      text: (option) => (typeof given[option] === 'string' ? given[option] : undefined),
      flag: (option) => given[option] === true,
    }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** The one word that a command needs. @throws {UsageError} */
export function oneWord({ words }: Given, what: string): string {
  const [word, ...more] = words
  if (word === undefined) throw new UsageError(`It needs ${what}`)
  if (more.length > 0) throw new UsageError(`It takes one word, not ${words.length}: ${words.join(' ')}`)
  return word
}
