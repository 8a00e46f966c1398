import { join } from 'node:path'
import { expect, onTestFailed, onTestFinished, test } from 'vitest'
import { startCast } from '../http/cast.ts'
import { startProcess } from '../support/process.ts'
import { scriptedProvider } from '../support/scripted-provider.ts'
import { tempFolder } from '../support/server.ts'
import { addressOf, expectSettled, inBrowser, openPage, patient, say, sees, shown, useBrowser } from './browser.ts'
import { lineTo } from './line.ts'

const words = (who: string, count: number) => Array.from({ length: count }, (_, index) => `${who}${index}`).join(' ')

inBrowser('what the page shows is what the API lists', () => {
  useBrowser()

  test('after the network was cut at a random frame and came back', async () => {
    const seed = Number(process.env['CUT_SEED'] ?? Date.now() % 150)
    onTestFailed(() => console.error(`It was cut after frame CUT_SEED=${seed}`))
    const cast = await startCast({ ROUNDTABLE_DEMO_TOKEN_MS: '0' })
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob', 'Cyd'])
    cast.play({
      Ann: [{ reasoning: words('t', 20), text: words('a', 40), delayMs: 2 }],
      Bob: [{ text: words('b', 60), delayMs: 2 }],
      Cyd: [{ text: words('c', 60), delayMs: 2 }],
    })
    const line = await lineTo(cast.url)
    const page = await openPage(addressOf(line.url, 'groups', id))
    await page.locator('.welcome').waitFor()
    const cut = line.cutAfter(3 + seed)
    await say(page, 'Go')
    await cut
    await page.getByText('The connection is lost').waitFor(patient)
    line.restore()
    await expectSettled(page, cast.api, id)
    expect(await shown(page)).toHaveLength(4)
    // It resumed: the feed was opened again, and nothing was loaded anew.
    expect(line.requests.filter((request) => request.includes(`/v1/groups/${id}/messages?`))).toHaveLength(1)
    expect(line.requests.filter((request) => request.includes(`/v1/groups/${id}/stream`)).length).toBeGreaterThan(1)
  })

  test('after the server was killed in the middle of a run and started again', async () => {
    const llm = await scriptedProvider()
    onTestFinished(() => llm.close())
    const held = llm.hold()
    llm.script(() => ({ text: 'After the restart all is said.' }))
    const settings = {
      DATABASE_URL: `file:${join(tempFolder(), 'kept.db')}`,
      OPENAI_BASE_URL: llm.url,
      OPENAI_API_KEY: 'sk-test-canary',
      ROUNDTABLE_DEFAULT_MODEL: 'openai/gpt-4o-mini',
    }
    const before = await startProcess(settings)
    const { id } = await before.api.group(['Ann', 'Bob'])
    const line = await lineTo(before.url)
    const page = await openPage(addressOf(line.url, 'groups', id))
    await say(page, 'Go')
    held.push('This will be taken back ')
    await sees(page, 'This will be taken back')
    await before.kill('SIGKILL')
    await page.getByText('The connection is lost').waitFor(patient)
    const after = await startProcess(settings)
    line.target = after.url
    await sees(page, 'After the restart')
    await expectSettled(page, after.api, id)
    await page.locator('.note', { hasText: 'made again' }).waitFor()
    expect(await shown(page)).toEqual([
      ['You', 'Go'],
      ['Ann', 'After the restart all is said.'],
      ['Bob', 'After the restart all is said.'],
    ])
  })

  test('in a second browser that joins half-way, in one that comes back, and for what another client sends', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob'])
    await cast.send(`/v1/groups/${id}/messages`, { input: 'Long before' })
    const [ann, bob] = [cast.llm.hold(), cast.llm.hold()]
    const first = await openPage(addressOf(cast.url, 'groups', id))
    await say(first, 'Go')
    ann.push('Ann begins ')
    await sees(first, 'Ann begins')
    const second = await openPage(addressOf(cast.url, 'groups', id))
    await sees(second, 'Ann begins')
    ann.push('and ends.')
    ann.finish()
    bob.push('Bob begins ')
    await sees(second, 'Bob begins')
    await first.reload()
    await sees(first, 'Bob begins')
    bob.push('and ends.')
    bob.finish()
    for (const page of [first, second]) await expectSettled(page, cast.api, id)
    expect(await shown(second)).toEqual(await shown(first))

    await cast.send(`/v1/groups/${id}/messages`, { input: 'From elsewhere' })
    for (const page of [first, second]) {
      await sees(page, 'From elsewhere')
      await expectSettled(page, cast.api, id)
    }
    expect(await shown(second)).toHaveLength(9)
  })

  test('with an agent alone, whose runs are followed one by one', async () => {
    const cast = await startCast()
    const { id } = await cast.actor('Ann')
    const held = cast.llm.hold()
    const page = await openPage(addressOf(cast.url, 'agents', id))
    await say(page, 'Hi')
    held.push('Half of ')
    await sees(page, 'Half of')
    await page.reload()
    await sees(page, 'Half of')
    held.push('it.')
    held.finish()
    await expect
      .poll(() => shown(page), patient)
      .toEqual([
        ['You', 'Hi'],
        ['Ann', 'Half of it.'],
      ])
    await say(page, 'More')
    await sees(page, 'Ann speaks.')
  })

  test('F63 a browser stops by itself at the 204 of a run that has ended', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const { run } = await cast.send(`/v1/groups/${id}/messages`, { input: 'Hi' })
    const line = await lineTo(cast.url)
    const page = await openPage(addressOf(line.url, 'groups', id))
    // An EventSource that nobody closes: it comes back with the last id, is told 204, and gives up for good.
    const seen = await page.evaluate<number>(`new Promise((resolve) => {
      const source = new EventSource('/v1/runs/${run}/stream')
      let frames = 0
      source.onmessage = () => frames++
      source.onerror = (event) => event.data === undefined && source.readyState === 2 && resolve(frames)
    })`)
    expect(seen).toBeGreaterThan(3)
    expect(line.requests.filter((request) => request === `GET /v1/runs/${run}/stream`)).toHaveLength(2)
  })
})
