import { expect, test } from 'vitest'
import { startServer } from '../support/server.ts'

const png = Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1').toString('base64')
const source = (given: object) => ({ type: 'image', source: given })
const byUrl = (url: string) => source({ type: 'url', url })
const given = (media_type: string, data: string) => source({ type: 'base64', media_type, data })

/** What is sent, the status and what is said of it. */
const images: [string, object, number, RegExp][] = [
  ['a data URL bomb', byUrl(`data:image/png;base64,${'A'.repeat(2_000_000)}`), 400, /larger than/],
  ['a data URL without base64', byUrl('data:image/png,hello'), 400, /not in base64/],
  ['wrong base64', given('image/png', '!!!!'), 400, /not valid base64/],
  ['base64 of nothing', given('image/png', ''), 400, /Invalid image/],
  ['0 bytes', byUrl('data:image/png;base64,'), 400, /Invalid image/],
  ['SVG', byUrl(`data:image/svg+xml;base64,${Buffer.from('<svg onload="x"/>').toString('base64')}`), 400, /not one of/],
  ['SVG that is said to be PNG', given('image/png', Buffer.from('<svg/>').toString('base64')), 400, /not one of/],
  ['PNG that is said to be GIF', given('image/gif', png), 400, /is said to be image\/gif/],
  ['50 MB', given('image/png', 'A'.repeat(50_000_000)), 413, /larger than/],
  ['a file', byUrl('file:///etc/passwd'), 400, /image/i],
  ['gopher', byUrl('gopher://127.0.0.1:70/'), 400, /image/i],
  ['javascript', byUrl('javascript:alert(1)'), 400, /image/i],
  ['a cloud’s metadata', byUrl('http://169.254.169.254/latest/meta-data/'), 400, /not a public one/],
  ['no address', byUrl('not an address'), 400, /image/i],
  ['an empty address', byUrl(''), 422, /"content"/],
  ['more than 20 addresses', {}, 400, /20 images by address/],
]

test.each(images)('F76 an image that is none: %s', async (name, image, status, says) => {
  const { api, llm } = await startServer({ ROUNDTABLE_IMAGE_LIMIT_BYTES: '1000000' })
  const { id } = await api.agent()
  const content = name.startsWith('more') ? Array.from({ length: 21 }, (_, n) => byUrl(`http://nobody-${n}.invalid/`)) : [image]
  const sent = await api.call('POST', `/v1/agents/${id}/messages`, { messages: [{ role: 'user', content }] })
  expect(sent.status).toBe(status)
  expect(JSON.stringify(sent.body)).toMatch(says)
  expect(llm.requests).toEqual([])
  expect(await api.get('/v1/runs/')).toEqual([])
})
