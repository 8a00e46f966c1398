import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A network between browser and server that can be cut. */
export interface Line {
  url: string
  /** Where it leads; a server that was started again may be elsewhere. */
  target: string
  cut(): void
  restore(): void
  /** Cuts when so many frames have come through. Resolves then. */
  cutAfter(frames: number): Promise<void>
  /** How many connections were tried while it was cut. */
  readonly refused: number
  /** The first lines of all requests. */
  readonly requests: readonly string[]
}

export async function lineTo(target: string): Promise<Line> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let isCut = false
  let refused = 0
  let left = Infinity
  let whenCut = () => {}
  const server = createServer((near) => {
    if (isCut) {
      refused++
      return void near.destroy()
    }
    const { hostname, port } = new URL(line.target)
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (bytes: Buffer) => {
      for (const [request] of bytes.toString('latin1').matchAll(/^(GET|POST|PATCH|DELETE) \S+/gm)) requests.push(request)
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      left -= bytes.toString('latin1').split('\nid: ').length - 1
      // Half of what has come goes through: a frame may be torn.
      near.write(left > 0 ? bytes : bytes.subarray(0, bytes.length >> 1))
      if (left > 0) return
      left = Infinity
      line.cut()
      whenCut()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const line: Line = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target,
    requests,
    get refused() {
      return refused
    },
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    restore() {
      isCut = false
    },
    cutAfter(frames) {
      left = frames
      return new Promise((resolve) => (whenCut = resolve))
    },
  }
  onTestFinished(() => {
    line.cut()
    server.close()
  })
  return line
}
