import { styleText } from 'node:util'
import type { Command } from './command.ts'
import { commands } from './index.ts'

/** What there is, one line each. */
export async function overview(): Promise<string> {
  const all = await Promise.all(Object.entries(commands).map(async ([name, load]) => [name, (await load()).command] as const))
  const heads = all.map(([name, { usage }]) => `${name} ${usage}`.trim())
  const width = Math.max(...heads.map(({ length }) => length))
  const lines = all.map(([, { summary }], index) => `  ${styleText('bold', heads[index]!.padEnd(width))}  ${summary}`)
  return [
    'Roundtable: conversations among several LLM agents, as a stored, resumable stream.',
    '',
    'roundtable [command] [options]',
    ...lines,
    '',
    'roundtable <command> --help says more. The server reads its settings from the environment; see the README.',
  ].join('\n')
}

export function helpOf(name: string, { usage, summary, options }: Command): string {
  const heads = Object.entries(options).map(([option, { type, short }]) =>
    [...(short ? [`-${short},`] : []), `--${option}`, ...(type === 'string' ? ['…'] : [])].join(' '),
  )
  const width = Math.max(0, ...heads.map(({ length }) => length))
  const lines = Object.values(options).map(({ help }, index) => `  ${heads[index]!.padEnd(width)}  ${help}`)
  return [`roundtable ${name} ${usage}`.trim(), summary, ...(lines.length > 0 ? ['', ...lines] : [])].join('\n')
}
