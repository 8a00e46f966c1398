import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { pageRoutes } from '../../src/routes/page.ts'
import { startServer, tempFolder } from '../support/server.ts'

function pageIn(files: Record<string, string>) {
  const folder = tempFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return new Hono().route('/', pageRoutes({ page: folder }))
}

test('the page is asked for again each time and sent once; its parts are kept for ever', async () => {
  const app = pageIn({
    'index.html': '<p>hello',
    'page-1234.js': '1',
    'page-1234.css': 'a{}',
    'icon-1.svg': '<svg/>',
    'notes.txt': 'x',
  })
  const first = await app.request('/')
  expect(first.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(first.headers.get('cache-control')).toBe('no-cache')
  expect(await first.text()).toBe('<p>hello')
  const again = await app.request('/', { headers: { 'if-none-match': first.headers.get('etag')! } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  for (const [name, type] of Object.entries({
    'page-1234.js': 'text/javascript',
    'page-1234.css': 'text/css',
    'icon-1.svg': 'image/svg+xml',
  })) {
    const part = await app.request(`/page/${name}`)
    expect(part.headers.get('content-type')).toContain(type)
    expect(part.headers.get('cache-control')).toContain('immutable')
  }
  for (const path of ['/page/notes.txt', '/page/none.js', '/page/..%2fpackage.json'])
    expect((await app.request(path)).status).toBe(404)
})

test('where the page is not built it is said how to build it', async () => {
  const answer = await pageIn({}).request('/')
  expect(answer.status).toBe(503)
  expect(await answer.text()).toContain('npm run page')
})

test('the page needs no key, and nothing foreign may be loaded into it', async () => {
  const { url } = await startServer({ LETTA_SERVER_SECURE: 'true', LETTA_SERVER_PASSWORD: 'secret-canary' })
  const answer = await fetch(url)
  expect([200, 503]).toContain(answer.status)
  expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
})
