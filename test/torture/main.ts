import { parseArgs } from 'node:util'
import { torture } from './torture.ts'

const usage = `npm run torture -- [options]

  --kills N      how often the server is killed: 200, which takes about eight minutes
  --clients N    how many talk to it: 12
  --seed N       of all that is random: the same seed makes the same choices`

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    clients: { type: 'string', default: '12' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const begunAt = performance.now()
const entry = new URL('../../dist/roundtable.js', import.meta.url).pathname
console.log(`Seed ${values.seed}: ${values.kills} kills, ${values.clients} clients`)
const { counts, violations } = await torture({
  entry,
  kills: Number(values.kills),
  clients: Number(values.clients),
  seed: Number(values.seed),
  onKill: (kills) => kills % 20 === 0 && console.log(`${kills} kills`),
})
for (const [what, count] of Object.entries(counts)) console.log(`${String(count).padStart(8)} ${what}`)
for (const violation of violations.slice(0, 50)) console.error(`VIOLATION ${violation}`)
console.log(`${violations.length} violations in ${Math.round((performance.now() - begunAt) / 1000)} s`)
process.exit(violations.length > 0 ? 1 : 0)
