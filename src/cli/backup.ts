import { resolve } from 'node:path'
import { readConfig } from '../config.ts'
import { backUp } from '../db/backup.ts'
import { type Command, oneWord } from './command.ts'
import { say } from './terminal.ts'

export const command: Command = {
  usage: '<file>',
  summary: 'copy the database, also while the server runs; the copy is checked',
  options: { database: { type: 'string', help: 'file:<path>; DATABASE_URL' } },
  async run(given) {
    const { databaseUrl } = readConfig(undefined, { DATABASE_URL: given.text('database') })
    const target = resolve(oneWord(given, 'the file to write'))
    const bytes = backUp(databaseUrl, target)
    say(`${target}: ${(bytes / 1024).toFixed(0)} KiB, whole`)
    return 0
  },
}
