import type { LettaMessage } from '../wire/message.ts'

/**
 * How the loop speaks: an item is all that one network chunk brought; the return value says how it ended. Who makes one
 * stores nothing and numbers nothing.
 */
export type MessageStream<End> = AsyncGenerator<LettaMessage[], End, void>
