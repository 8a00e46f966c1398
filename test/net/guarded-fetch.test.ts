import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { FetchFailed, guardedFetch, type GuardedFetchOptions } from '../../src/net/guarded-fetch.ts'
import { isPublicAddress, isPublicHost } from '../../src/net/public-address.ts'

const types = ['image/png']

/** A listener on loopback that counts who connects. */
async function listener(answer: RequestListener = (_, response) => response.end()) {
  let connections = 0
  const server = createServer(answer).on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: new URL(`http://127.0.0.1:${port}/cat.png`),
    allow: [`127.0.0.1:${port}`],
    get connections() {
      return connections
    },
  }
}

function fetcher(options: Partial<GuardedFetchOptions> = {}) {
  const made = guardedFetch({ allow: [], connectTimeoutMs: 2500, timeoutMs: 5000, limitBytes: 100, ...options })
  onTestFinished(() => made.close())
  return made
}

const png: RequestListener = (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).end('PNG')
const to =
  (location: string): RequestListener =>
  (_, response) =>
    response.writeHead(302, { location }).end()

const inside = [
  '127.0.0.1',
  '127.1',
  '127.255.255.254',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '127。0。0。1',
  '１２７.0.0.1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '100.100.100.200',
  '168.63.129.16',
  '169.254.169.254',
  '192.0.0.192',
  '198.18.0.1',
  '203.0.113.1',
  '224.0.0.1',
  '255.255.255.255',
  'localhost',
  'LOCALHOST.',
  'ⓛocalhost',
  'app.localhost',
  'printer.local',
  'db.localdomain',
  'nas.home.arpa',
  'api.default.svc',
  'api.default.svc.cluster.local',
  'metadata.google.internal',
  '[::]',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001::1]',
  '[2001:db8::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[ff02::1]',
]

test.each(inside)('F89 http://%s is refused and nothing connects', async (host) => {
  const server = await listener(png)
  const looked: string[] = []
  const resolve = async (name: string) => {
    looked.push(name)
    return [{ address: '127.0.0.1', family: 4 }]
  }
  for (const port of [server.port, 80]) {
    const get = fetcher({ resolve }).get(new URL(`http://${host}:${port}/`), { types })
    await expect(get).rejects.toThrow('its host is not a public one')
  }
  expect(server.connections).toBe(0)
  expect(looked).toEqual([])
})

test('F89 a name with any address inside is refused, https too', async () => {
  const server = await listener(png)
  const outside = { address: '93.184.216.34', family: 4 }
  const answers = [
    [{ address: '127.0.0.1', family: 4 }],
    [outside, { address: '127.0.0.1', family: 4 }],
    [outside, { address: '::ffff:127.0.0.1', family: 6 }],
    [{ address: 'fe80::1%lo', family: 6 }],
  ]
  for (const addresses of answers) {
    for (const scheme of ['http', 'https']) {
      const get = fetcher({ resolve: async () => addresses }).get(new URL(`${scheme}://rebind.test:${server.port}/`), { types })
      await expect(get).rejects.toThrow('its host is not a public one')
    }
  }
  expect(server.connections).toBe(0)
})

test('F89 a name is resolved once for a connection, which goes to what was found then', async () => {
  const server = await listener(png)
  let looked = 0
  // A second look-up would find an address where nobody is.
  const resolve = async () => [{ address: looked++ === 0 ? '127.0.0.1' : '127.255.255.255', family: 4 }]
  const get = fetcher({ resolve, allow: [`images.test:${server.port}`] })
  const url = new URL(`http://images.test:${server.port}/`)
  expect(await get.get(url, { types })).toEqual({ type: 'image/png', bytes: Buffer.from('PNG') })
  expect(looked).toBe(1)
})

test('F89 a redirect is checked as the first address was', async () => {
  const target = await listener(png)
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  for (const location of [target.url.href, `//localhost:${target.port}/`, `http://rebind.test:${target.port}/`]) {
    const server = await listener(to(location))
    const get = fetcher({ allow: server.allow, resolve }).get(server.url, { types })
    await expect(get).rejects.toThrow('its host is not a public one')
  }
  expect(target.connections).toBe(0)
})

test('F89 a redirect to another scheme, or with credentials, is refused', async () => {
  const target = await listener(png)
  const cases = {
    'file:///etc/passwd': 'neither http nor https',
    'gopher://127.0.0.1/': 'neither http nor https',
    [`http://me:secret@127.0.0.1:${target.port}/`]: 'credentials',
    'http://[': 'no address',
  }
  for (const [location, reason] of Object.entries(cases)) {
    const server = await listener(to(location))
    await expect(fetcher({ allow: [...server.allow, ...target.allow] }).get(server.url, { types })).rejects.toThrow(reason)
  }
  expect(target.connections).toBe(0)
})

test('three redirects are followed, a fourth is not', async () => {
  const hops =
    (count: number): RequestListener =>
    (request, response) => {
      const hop = Number(request.url!.slice(1)) || 0
      return hop === count ? png(request, response) : to(`/${hop + 1}`)(request, response)
    }
  const [three, four] = [await listener(hops(3)), await listener(hops(4))]
  expect((await fetcher({ allow: three.allow }).get(three.url, { types })).type).toBe('image/png')
  await expect(fetcher({ allow: four.allow }).get(four.url, { types })).rejects.toThrow('more than 3 times')
})

test('F89 credentials in an address are refused, also where the host is allowed', async () => {
  const server = await listener(png)
  const url = new URL(server.url)
  url.username = 'me'
  await expect(fetcher({ allow: server.allow }).get(url, { types })).rejects.toThrow('credentials')
  expect(server.connections).toBe(0)
})

test('F89 only the port that is allowed is', async () => {
  const server = await listener(png)
  const get = fetcher({ allow: ['127.0.0.1:1', 'localhost:80'] })
  await expect(get.get(server.url, { types })).rejects.toThrow('its host is not a public one')
  await expect(get.get(new URL(`http://localhost:${server.port}`), { types })).rejects.toThrow(FetchFailed)
  expect(server.connections).toBe(0)
})

test('F89 what is too large is not read to its end, whatever its head says', async () => {
  const said: RequestListener = (_, response) =>
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': 101 }).end(Buffer.alloc(101))
  // It never ends: a reader that waited for the end would wait for ever.
  const endless: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'image/png' })
    const more = () => response.write(Buffer.alloc(64 * 1024), (error) => error || more())
    more()
  }
  for (const answer of [said, endless]) {
    const server = await listener(answer)
    const get = fetcher({ allow: server.allow, timeoutMs: 2 ** 30 }).get(server.url, { types })
    await expect(get).rejects.toThrow('larger than 100 bytes')
  }
})

test('another content type, none, and a status that is not 200 are refused', async () => {
  const answers: [RequestListener, string][] = [
    [(_, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<p>'), 'is text/html, not'],
    [(_, response) => response.writeHead(200, { 'content-type': 'image/svg+xml' }).end('<svg/>'), 'is image/svg+xml, not'],
    [(_, response) => response.writeHead(200).end('PNG'), 'is not given, not'],
    [(_, response) => response.writeHead(404, { 'content-type': 'image/png' }).end('PNG'), 'HTTP 404'],
    [(_, response) => response.writeHead(206, { 'content-type': 'image/png' }).end('PNG'), 'HTTP 206'],
  ]
  for (const [answer, reason] of answers) {
    const server = await listener(answer)
    await expect(fetcher({ allow: server.allow }).get(server.url, { types })).rejects.toThrow(reason)
  }
})

test('whoever is silent is left after the time given, before the head and in the body', async () => {
  const noHead: RequestListener = () => {}
  const noEnd: RequestListener = (_, response) => response.writeHead(200, { 'content-type': 'image/png' }).write('P')
  for (const answer of [noHead, noEnd]) {
    const server = await listener(answer)
    await expect(fetcher({ allow: server.allow, timeoutMs: 50 }).get(server.url, { types })).rejects.toThrow('too long')
  }
})

test('a name server that is silent is left too, and one that knows nothing is believed', async () => {
  const url = new URL('http://nobody.test/')
  const silent = fetcher({ resolve: () => new Promise(() => {}), timeoutMs: 50 })
  await expect(silent.get(url, { types })).rejects.toThrow('too long')
  for (const code of ['ENOTFOUND', 'EAI_AGAIN']) {
    const lost = fetcher({ resolve: () => Promise.reject(Object.assign(new Error('db-1.corp'), { code })) })
    await expect(lost.get(url, { types })).rejects.toThrow('its host is not known')
  }
  await expect(fetcher({ resolve: async () => [] }).get(url, { types })).rejects.toThrow('its host is not known')
})

test('a connection that breaks is a reason like the others', async () => {
  const server = await listener((_, response) => {
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': 50 })
    response.write('P', () => response.destroy())
  })
  await expect(fetcher({ allow: server.allow }).get(server.url, { types })).rejects.toThrow(FetchFailed)
})

test('an abort is no failure of the other side', async () => {
  const abort = new AbortController()
  const server = await listener(() => abort.abort(new Error('cancelled')))
  const get = fetcher({ allow: server.allow }).get(server.url, { types, signal: abort.signal })
  await expect(get).rejects.toThrow('cancelled')
})

test('public addresses and names are public', () => {
  for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::200e']) {
    expect(isPublicAddress(address)).toBe(true)
    expect(isPublicHost(address)).toBe(true)
  }
  for (const name of ['example.com', 'local.example.com', 'xn--bcher-kva.example', 'mylocalhost.com'])
    expect(isPublicHost(name)).toBe(true)
  for (const nothing of ['', 'example.com', '1.1.1', '::1%lo', '2606:4700::1%eth0'])
    expect(isPublicAddress(nothing)).toBe(false)
})
