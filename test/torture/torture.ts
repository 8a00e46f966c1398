import { setTimeout as sleep } from 'node:timers/promises'
import { checkFile, checkHistory } from './checks.ts'
import { Client, kinds } from './client.ts'
import { Dice } from './random.ts'
import { World } from './world.ts'

export interface TortureOptions {
  /** The bundle. */
  entry: string
  kills: number
  clients: number
  seed: number
  /** Told after each kill. */
  onKill?: (kills: number) => void
}

export interface Report {
  counts: Record<string, number>
  violations: string[]
}

/** How long nothing has to happen until the server is killed all the same, and until clients may take to come to their ends. */
const PATIENCE_MS = 3000
const LAST_MS = 40_000

/**
 * Kills the server again and again while clients talk to groups, and then holds what they saw, what the model and the tools were
 * asked, and what is stored against each other (faults.md §6, F7).
 */
export async function torture({ entry, kills, clients: count, seed, onKill }: TortureOptions): Promise<Report> {
  const world = await World.open({ entry, seed })
  try {
    const dice = new Dice(seed + 2)
    const stop = new AbortController()
    let life = world.start()
    const bookTool = () => toolNamed(world, 'book')
    const clients = Array.from(
      { length: count },
      (_, at) => new Client(world, kinds[at % kinds.length]!, { seed: seed + 10 + at, name: `c${at}`, bookTool }),
    )
    const lives = Promise.all(
      clients.map(async (client) => {
        try {
          await client.live(stop.signal)
        } catch (error) {
          world.violated(`a client gave up: ${error instanceof Error ? error.stack : String(error)}`)
        }
      }),
    )
    while (world.counts.kills < kills) {
      await momentOfDeath(world, dice, life.url)
      await world.kill()
      onKill?.(world.counts.kills)
      life = world.start()
    }
    stop.abort()
    const late = new AbortController()
    const tooLate = sleep(LAST_MS, 'late', { signal: late.signal }).catch(() => 'late')
    if ((await Promise.race([lives, tooLate])) === 'late')
      for (const { doing } of clients) if (doing !== 'nothing') world.violated(`a client waits for ever: ${doing}`)
    late.abort()
    const url = await life.url
    if (url === undefined) throw new Error('the server has ended by itself')
    const found = await checkHistory(
      url,
      world,
      clients.flatMap(({ runs }) => runs),
    )
    const code = await world.stop()
    if (code !== 0) world.violated(`the server ended with ${code} after SIGTERM`)
    checkFile(world)
    return { counts: { ...world.counts, ...found }, violations: world.violations }
  } finally {
    await world.close()
  }
}

/** Some die while they start, the others in the middle of something: that is what is waited for. */
async function momentOfDeath(world: World, dice: Dice, url: Promise<string | undefined>): Promise<void> {
  if (dice.chance(0.15)) return await sleep(dice.below(400))
  await url
  const happening = dice.one(['frames', 'frames', 'frames', 'asked', 'effects'] as const)
  const most = { frames: 400, asked: 20, effects: 2 }[happening]
  await world.until(happening, 1 + dice.below(most), PATIENCE_MS)
}

/** The id of a tool, once the server has heard of it. */
async function toolNamed(world: World, name: string): Promise<string> {
  return await world.persist(async (url) => {
    const tools = (await (await fetch(`${url}/v1/tools/?name=${name}`)).json()) as { id: string }[]
    return tools[0]?.id
  })
}
