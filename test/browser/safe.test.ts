import { expect, test } from 'vitest'
import { startCast } from '../http/cast.ts'
import { addressOf, inBrowser, openPage, patient, say, shown, useBrowser } from './browser.ts'
import { lineTo } from './line.ts'

const hostile = [
  '<script>globalThis.hurt = 1</script>',
  '<img src=x onerror="globalThis.hurt = 2">',
  '![a picture](http://127.0.0.1:9/spy.png)',
  '[press me](javascript:globalThis.hurt=3)',
  '[and me](data:text/html,<script>globalThis.hurt=4</script>)',
  '<a href="javascript:globalThis.hurt=5" onclick="globalThis.hurt=6" style="position:fixed;inset:0">all of it</a>',
  '<svg onload="globalThis.hurt=7"><style>body{display:none}</style></svg>',
  '<iframe srcdoc="<script>parent.hurt=8</script>"></iframe>',
  '<form action="http://127.0.0.1:9/"><input name=x autofocus onfocus="globalThis.hurt=9"></form>',
  '[a link](https://example.com/ "and a title")',
  '`<script>` and **bold**',
].join('\n\n')

inBrowser('what agents say', () => {
  useBrowser()

  test('is shown and never acts: no script, no picture, no style, no address but of the web', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    cast.play({
      Ann: [
        {
          reasoning: '<img src=x onerror="globalThis.hurt = 10">',
          text: hostile,
          toolCalls: [{ name: '<b>x</b>', arguments: '{"a": "<img src=x onerror=globalThis.hurt=11>"}' }],
          chunk: 7,
        },
        { text: 'Done.' },
      ],
    })
    const line = await lineTo(cast.url)
    const page = await openPage(addressOf(line.url, 'groups', id))
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await say(page, hostile)
    await expect.poll(async () => (await shown(page)).at(-1), patient).toEqual(['Ann', 'Done.'])
    for (const folded of await page.locator('.folded summary').all()) await folded.click()
    const inside = page.locator('.inner')
    expect(
      await inside.locator('img, script, style, iframe, form, input, svg, [onclick], [onerror], [style*=fixed]').count(),
    ).toBe(0)
    const speech = page.locator('.turn:not(.you) .speech').first()
    expect(await speech.innerText()).toContain('<script>globalThis.hurt = 1</script>')
    const links = await page.evaluate(
      `[...document.querySelectorAll('.turn:not(.you) .speech a[href]')].map((a) => [a.href, a.rel, a.target])`,
    )
    expect(links).toEqual([
      ['http://127.0.0.1:9/spy.png', 'noopener noreferrer', '_blank'],
      ['https://example.com/', 'noopener noreferrer', '_blank'],
    ])
    await speech.getByText('press me').click()
    expect(await page.evaluate('globalThis.hurt')).toBeUndefined()
    expect(await page.locator('strong', { hasText: 'bold' }).count()).toBe(2)
    expect(asked.filter((url) => !url.startsWith(line.url))).toEqual([])
  })

  test('may be ten thousand words: the page follows, and a person can act meanwhile', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const text = Array.from({ length: 10_000 }, (_, index) => `w${index}${index % 40 === 39 ? '\n\n' : ' '}`).join('')
    cast.play({ Ann: [{ text }] })
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await page.evaluate(`(() => {
      globalThis.frames = []
      let last = performance.now()
      const step = (now) => { frames.push(now - last); last = now; requestAnimationFrame(step) }
      requestAnimationFrame(step)
    })()`)
    await say(page, 'Go')
    await page.locator('.turn:not(.you) .speech').waitFor()
    await page.getByRole('button', { name: /^Colours/ }).click()
    await page.fill('#composer', 'Still here')
    expect(await page.inputValue('#composer')).toBe('Still here')
    const all = JSON.stringify([
      ['You', 'Go'],
      ['Ann', text.replace(/\s+/g, ' ').trim()],
    ])
    await expect.poll(async () => JSON.stringify(await shown(page)) === all, patient).toBe(true)
    const gaps = await page.evaluate<number[]>('frames.sort((a, b) => b - a)')
    console.info(`10 000 words: ${gaps.length} animation frames, the longest ${gaps.slice(0, 3).map(Math.round).join(', ')} ms`)
  })
})
