import { createMiddleware } from 'hono/factory'
import type { Caller } from '../services.ts'

/**
 * What the page served at `/` may load, and what any other answer may if a browser is made to show it: its own scripts, styles
 * and streams, and nothing of anybody else's. Nothing inline, no frame around it, no form to elsewhere.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const securing = Object.entries({
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // The address of a stream may have a ticket in it.
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'x-dns-prefetch-control': 'off',
})

/**
 * Sets them before the handler answers: a stream writes its head itself, and a middleware that comes after it (as Hono's
 * `secureHeaders` does) would be too late. Strict-Transport-Security is for who speaks TLS in front of us.
 */
export const securityHeaders = createMiddleware<Caller>((c, next) => {
  // On node's own response: headers of Hono's are copied from one of its Responses to the next.
  for (const [name, value] of securing) c.env.outgoing.setHeader(name, value)
  return next()
})
