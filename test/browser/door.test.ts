import { expect, test } from 'vitest'
import { startCast } from '../http/cast.ts'
import { apiAt } from '../support/api.ts'
import { addressOf, inBrowser, openPage, patient, say, sees, shown, useBrowser } from './browser.ts'
import { lineTo } from './line.ts'

inBrowser('a server with a key', () => {
  useBrowser()

  test('is asked for it once; streams go by tickets, and come back when those have expired', async () => {
    const cast = await startCast({ ROUNDTABLE_TICKET_SECONDS: '1' })
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const { key } = await cast.api.post<{ key: string }>('/v1/keys/', { name: 'me', scope: 'admin' })
    const line = await lineTo(cast.url)
    const page = await openPage(addressOf(line.url, 'groups', id))
    await page.getByPlaceholder('Key').fill('wrong')
    await page.getByRole('button', { name: 'Come in' }).click()
    await page.getByText('does not take this key').waitFor()
    await page.getByPlaceholder('Key').fill(key)
    await page.getByRole('button', { name: 'Come in' }).click()
    await page.locator('.welcome').waitFor()
    const held = cast.llm.hold()
    await say(page, 'Hi')
    held.push('Behind the ')
    await sees(page, 'Behind the')
    line.cut()
    await page.getByText('The connection is lost').waitFor(patient)
    // Till the ticket is good for nothing any more.
    const api = apiAt(cast.url)
    const old = /ticket=([^&\s]+)/.exec(line.requests.findLast((request) => request.includes('ticket='))!)![1]!
    await expect.poll(async () => (await fetch(`${cast.url}/v1/groups/${id}/stream?ticket=${old}`)).status, patient).toBe(401)
    line.restore()
    held.push('door.')
    held.finish()
    await expect
      .poll(() => shown(page), patient)
      .toEqual([
        ['You', 'Hi'],
        ['Ann', 'Behind the door.'],
      ])
    // The key itself is in no address.
    expect(line.requests.filter((request) => request.includes(key))).toEqual([])
    expect((await api.call('GET', '/v1/groups/')).status).toBe(401)
    await page.reload()
    await sees(page, 'Behind the door.')
  })

  test('may be away for long: what came meanwhile is there, whether the page had seen the beginning of it or nothing', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const { key } = await cast.api.post<{ key: string }>('/v1/keys/', { name: 'me', scope: 'admin' })
    const line = await lineTo(cast.url)
    const [watcher, idle] = [
      await openPage(addressOf(line.url, 'groups', id)),
      await openPage(addressOf(line.url, 'groups', id)),
    ]
    for (const page of [watcher, idle]) {
      await page.getByPlaceholder('Key').fill(key)
      await page.getByRole('button', { name: 'Come in' }).click()
      await page.locator('.welcome').waitFor()
    }
    line.cut()
    await idle.getByText('The connection is lost').waitFor(patient)
    line.restore()
    const held = cast.llm.hold()
    await say(watcher, 'Hi')
    held.push('Begun, ')
    for (const page of [watcher, idle]) await sees(page, 'Begun,')
    line.cut()
    held.push('and ended while nobody looked.')
    held.finish()
    // A ticket that cannot be had is asked for again and again.
    const before = line.refused
    await expect.poll(() => line.refused - before, patient).toBeGreaterThan(12)
    line.restore()
    for (const page of [watcher, idle]) {
      await expect
        .poll(() => shown(page), patient)
        .toEqual([
          ['You', 'Hi'],
          ['Ann', 'Begun, and ended while nobody looked.'],
        ])
      await expect.poll(() => page.locator('.now').count(), patient).toBe(0)
    }
  })
})
