import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Lab } from './lab.ts'
import { json, table } from './report.ts'
import type { Result } from './result.ts'
import { workloads } from './workloads/index.ts'

const usage = `npm run bench -- [workload…] [options]

${workloads.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}

  Without a workload, or with \`all\`, all of them: about 26 minutes.

  --rounds N      how often each target is measured
  --streams N     how many at once
  --tokens N      in each stream
  --other FILE    also measure another build: its roundtable.js, in a folder beside dist/
  --profile DIR   leave CPU profiles of the server there; a profiled server is slower
  --json FILE     write the figures there, too`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    streams: { type: 'string' },
    tokens: { type: 'string' },
    other: { type: 'string' },
    profile: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})

const wanted = positionals.length === 0 || positionals.includes('all') ? workloads.map(({ name }) => name) : positionals
const unknown = wanted.filter((name) => !workloads.some((workload) => workload.name === name))
if (values.help || unknown.length > 0) {
  console.log(unknown.length > 0 ? `There is no workload ${unknown.join(', ')}.\n\n${usage}` : usage)
  process.exit(unknown.length > 0 ? 1 : 0)
}

const options = {
  ...(values.rounds && { rounds: Number(values.rounds) }),
  ...(values.streams && { streams: Number(values.streams) }),
  ...(values.tokens && { tokens: Number(values.tokens) }),
  ...(values.other && { other: resolve(values.other) }),
}
const results: Result[] = []
const lab = await Lab.open({ profile: values.profile && resolve(values.profile) })
process.on('SIGINT', () => void lab.close().then(() => process.exit(130)))
try {
  for (const name of wanted) {
    const result = await workloads.find((workload) => workload.name === name)!.run(lab, options)
    results.push(result)
    console.log(table(result))
  }
} finally {
  await lab.close()
}
if (values.json) writeFileSync(values.json, json(results))
