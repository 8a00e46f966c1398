import type { Chat, Ending } from './manager.ts'

/**
 * The manager agent answers alone. What the members do with it afterwards, in the background, is started by the end of the run
 * (loop/background.ts, design §5 row 17); voice_sleeptime differs only in when.
 */
export async function sleeptime({ manager, speak }: Chat): Promise<Ending> {
  const { stop } = await speak(manager!, { listeners: [] })
  return { stop, endedBy: null }
}
