import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type Context, Hono } from 'hono'
import type { Caller, Services } from '../services.ts'

interface File {
  body: Uint8Array<ArrayBuffer>
  headers: Record<string, string>
}

/**
 * The page at `/`, as `npm run page` built it. Its files are read once; they are the same for everybody and hold nothing of
 * anybody's, so no key is asked for. All but the first are named after what is in them and may be kept for ever.
 */
export function pageRoutes({ page }: Pick<Services, 'page'>) {
  const files = readAll(page)
  const index = files.get('index.html')
  return new Hono<Caller>({ strict: false })
    .get('/', (c) => (index ? answer(c, index) : c.html(missing, 503)))
    .get('/page/:name', (c, next) => {
      const file = files.get(c.req.param('name'))
      return file ? answer(c, file) : next()
    })
}

const answer = (c: Context<Caller>, { body, headers }: File) =>
  c.req.header('if-none-match') === headers['etag'] ? c.body(null, 304, headers) : c.body(body, 200, headers)

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

function readAll(folder: string): Map<string, File> {
  const files = new Map<string, File>()
  for (const name of namesIn(folder)) {
    const type = types[extname(name)]
    if (type === undefined) continue
    const body = new Uint8Array(readFileSync(join(folder, name)))
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    const cache = name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable'
    files.set(name, { body, headers: { 'content-type': type, 'cache-control': cache, etag } })
  }
  return files
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const missing = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Roundtable</title>
<h1>The page is not built</h1>
<p>The server works, and its API is under <code>/v1</code>. For the page run <code>npm run page</code> in the folder of the clone
and start the server again.</p></html>
`
