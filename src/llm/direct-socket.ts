import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

/** What any socket has just read. */
const inbox = Buffer.allocUnsafeSlow(65_536)

/** The socket whose reader is being told that something has come, and that, until it is taken. */
let telling: Socket | undefined
let arrived: Buffer | null = null

/**
 * Connects as undici does, but what such a socket reads goes to undici's parser within the call that has read it. Node would
 * make 64 KB of memory for each read, put what came into a stream's queue, and tell of it a tick later: for the few hundred
 * bytes of a token that is a sixteenth of all that the token costs (docs/performance.md).
 *
 * The stream's queue is still there for what comes while nobody takes it: a parser that waits holds its socket back as ever.
 */
export function directConnector(options: { timeout: number }): buildConnector.connector {
  const onread = {
    buffer: inbox,
    /** Node calls it with the socket as `this`. @returns false when that is to read no more for now */
    callback(this: Socket, bytes: number) {
      return deliver(this, bytes)
    },
  }
  const connect = buildConnector({ ...options, onread })
  return (to, done) =>
    connect(to, (...[error, socket]) => {
      if (error) return done(error, null)
      const read = socket.read.bind(socket)
      socket.read = (size?: number) => (telling === socket ? takeArrived() : read(size))
      done(null, socket)
    })
}

function deliver(socket: Socket, bytes: number): boolean {
  // A copy, so that whoever gets it may keep it.
  const chunk = Buffer.allocUnsafe(bytes)
  inbox.copy(chunk, 0, 0, bytes)
  if (socket.readableLength > 0) return socket.push(chunk)
  telling = socket
  arrived = chunk
  try {
    socket.emit('readable')
  } finally {
    telling = undefined
  }
  return takeArrived() === null || socket.push(chunk)
}

function takeArrived(): Buffer | null {
  const chunk = arrived
  arrived = null
  return chunk
}
