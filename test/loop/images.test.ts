import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { InvalidArgument } from '../../src/errors.ts'
import { guardedFetch } from '../../src/net/guarded-fetch.ts'
import { imageResolver } from '../../src/loop/images.ts'
import type { ContentPart, ImageContent } from '../../src/wire/content.ts'

const files = {
  'image/png': Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1'),
  'image/jpeg': Buffer.from('\xff\xd8\xff\xe0....', 'latin1'),
  'image/gif': Buffer.from('GIF89a....', 'latin1'),
  'image/webp': Buffer.from('RIFF\x0a\x00\x00\x00WEBPVP8 ', 'latin1'),
}
const png = files['image/png'].toString('base64')
const LIMIT = 1000

const image = (source: ImageContent['source']): ContentPart => ({ type: 'image', source })
const at = (url: string) => image({ type: 'url', url })
const inline = (data: string, media_type = 'image/png') => image({ type: 'base64', media_type, data })

/** `GET /image/png` and so on answer with such a file; other paths as `answer` does. */
async function gallery(answer: RequestListener = (_, response) => response.writeHead(404).end()) {
  let asked = 0
  const server = createServer((request, response) => {
    asked++
    const type = request.url!.slice(1)
    if (type in files) response.writeHead(200, { 'content-type': type }).end(files[type as keyof typeof files])
    else answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}`,
    resolve: resolver([host]),
    get asked() {
      return asked
    },
  }
}

function resolver(allow: string[] = []) {
  const fetcher = guardedFetch({ allow, connectTimeoutMs: 2500, timeoutMs: 5000, limitBytes: LIMIT })
  onTestFinished(() => fetcher.close())
  const resolve = imageResolver({ fetcher, limitBytes: LIMIT })
  return async (...content: ContentPart[]) => (await resolve([{ content }]))[0]!.content
}

test.each(Object.entries(files))('%s becomes base64, however it came', async (type, bytes) => {
  const { url, resolve } = await gallery()
  const data = bytes.toString('base64')
  const stored = inline(data, type)
  const given = [at(`${url}/${type}`), at(`data:${type};base64,${data}`), at(`data:;base64,${data}`), inline(data, type)]
  expect(await resolve(...given)).toEqual([stored, stored, stored, stored])
})

test('everything else in a message stays as and where it is', async () => {
  const fetcher = { get: () => Promise.reject(new Error('nobody asks')) }
  const text = { type: 'text', text: 'look' } as const
  const messages = [
    { role: 'user', content: 'hi' },
    { role: 'user', content: [text, inline(png), text], otid: 'x' },
  ]
  expect(await imageResolver({ fetcher, limitBytes: LIMIT })(messages)).toEqual(messages)
})

test('a type and a detail that mean the same are kept, padding and line breaks are put right', async () => {
  const resolve = resolver()
  const jpeg = files['image/jpeg'].toString('base64')
  const source = { type: 'base64', media_type: 'image/jpg', data: jpeg, detail: 'low' } as const
  expect(await resolve(image(source))).toEqual([image({ ...source, media_type: 'image/jpeg' })])
  const broken = `${png.slice(0, 4)}\r\n${png.slice(4)}`.replace(/=+$/, '')
  expect(await resolve(inline(broken))).toEqual([inline(png)])
  expect(await resolve(image({ type: 'letta', file_id: 'file-1', data: png }))).toEqual([inline(png)])
})

test.each([
  ['file:///etc/passwd', 'Unsupported image URL scheme'],
  ['gopher://127.0.0.1/', 'Unsupported image URL scheme'],
  ['ftp://example.com/cat.png', 'Unsupported image URL scheme'],
  ['javascript:alert(1)', 'Unsupported image URL scheme'],
  ['/cat.png', 'Unsupported image URL scheme'],
  ['http://', 'its address is not a valid one'],
  ['http://169.254.169.254/latest/meta-data', 'Failed to fetch image from http://169.254.169.254/latest/meta-data: its host'],
  ['data:image/png,hello', 'not in base64'],
  ['data:image/png;base64', 'not in base64'],
  ['data:image/png;base64,', 'not valid base64'],
  ['data:image/png;base64,a*b', 'not valid base64'],
  [`data:image/gif;base64,${png}`, 'it is said to be image/gif, and is image/png'],
  [`data:image/svg+xml;base64,${Buffer.from('<svg/>').toString('base64')}`, 'it is not one of image/png'],
  [`data:image/png;base64,${'A'.repeat(2 * LIMIT)}`, 'larger than 1000 bytes'],
])('%s is refused', async (url, reason) => {
  const refused = resolver()(at(url))
  await expect(refused).rejects.toThrow(InvalidArgument)
  await expect(refused).rejects.toThrow(reason)
})

test.each([
  ['', 'files are not kept here'],
  ['====', 'not valid base64'],
  ['aGVsbG8', 'it is not one of image/png'],
  [png.replace(/.$/, '-'), 'not valid base64'],
  [files['image/gif'].toString('base64'), 'it is said to be image/png, and is image/gif'],
])('base64 %j said to be image/png is refused', async (data, reason) => {
  await expect(resolver()(inline(data))).rejects.toThrow(reason)
})

test('F76 a server whose content type lies is not believed', async () => {
  const { url, resolve } = await gallery((_, response) =>
    response.writeHead(200, { 'content-type': 'image/png' }).end(files['image/gif']),
  )
  const said = `Failed to fetch image from ${url}/lie: it is said to be image/png, and is image/gif`
  await expect(resolve(at(`${url}/lie`))).rejects.toThrow(said)
})

test('what is secret in an address is not repeated', async () => {
  const [name, password, token] = ['somebody', 'hunter2', 'tok3n']
  const failure: unknown = await resolver()(at(`http://${name}:${password}@example.com/cat.png?token=${token}`)).catch(
    (error: unknown) => error,
  )
  expect(String(failure)).toMatch('credentials')
  for (const secret of [name, password, token]) expect(String(failure)).not.toContain(secret)
})

test('one that cannot be had ends the others', async () => {
  const closed = Promise.withResolvers<void>()
  const { url, resolve } = await gallery((request, response) => {
    request.socket.once('close', closed.resolve)
    // The other one fails only now.
    if (request.url === '/slow') void imagesFail()
    else fail = () => void response.writeHead(500).end()
  })
  let fail = () => {}
  const imagesFail = async () => fail()
  await expect(resolve(at(`${url}/bad`), at(`${url}/slow`))).rejects.toThrow('HTTP 500')
  await closed.promise
})

test('F76 a request has a bound for all its images together', async () => {
  const { url, resolve, ...server } = await gallery((_, response) =>
    response
      .writeHead(200, { 'content-type': 'image/png' })
      .end(Buffer.concat([files['image/png'], Buffer.alloc(LIMIT - 100)])),
  )
  const big = at(`${url}/big`)
  expect(await resolve(big, big)).toHaveLength(2)
  await expect(resolve(big, big, big)).rejects.toThrow('2000 bytes together')
  const asked = server.asked
  await expect(resolve(...Array.from({ length: 21 }, () => at(`${url}/image/png`)))).rejects.toThrow('20 images by address')
  expect(asked).toBe(server.asked)
})
