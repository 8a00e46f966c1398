import { expect, test } from 'vitest'
import { startCast } from '../http/cast.ts'
import { addressOf, expectSettled, inBrowser, openPage, sees, useBrowser } from './browser.ts'

inBrowser('the page', () => {
  useBrowser()

  test('is usable by the keyboard alone, and tells a screen reader what was said, once it was said', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await page.getByRole('link', { name: 'Skip to your message' }).focus()
    await page.keyboard.press('Enter')
    await page.keyboard.type('One line')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('and another')
    await page.keyboard.press('Enter')
    await sees(page, 'Ann speaks.')
    expect(cast.llm.requests[0]!.body.messages.at(-1).content).toContain('One line\nand another')
    await page.locator('[aria-live=polite]', { hasText: 'Ann: Ann speaks.' }).waitFor({ state: 'attached' })
    await expectSettled(page, cast.api, id)
    await page.keyboard.press('Shift+Tab')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
  })

  test.each([
    { colorScheme: 'light' as const, width: 360, paper: 'rgb(251, 250, 247)' },
    { colorScheme: 'dark' as const, width: 1280, paper: 'rgb(22, 23, 26)' },
  ])('fits a width of $width in $colorScheme, as the system says and as one chooses', async ({ colorScheme, width, paper }) => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob'])
    cast.play({
      Ann: [
        {
          reasoning: 'x'.repeat(300),
          text: `${'long'.repeat(80)}\n\n| a | b |\n|---|---|\n| ${'c'.repeat(90)} | d |\n\n    ${'code '.repeat(40)}`,
        },
      ],
    })
    await cast.send(`/v1/groups/${id}/messages`, { input: 'y'.repeat(300) })
    const page = await openPage(addressOf(cast.url, 'groups', id), {
      colorScheme,
      viewport: { width, height: 740 },
      reducedMotion: 'reduce',
    })
    await sees(page, 'Bob speaks.')
    const colour = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(await colour()).toBe(paper)
    const overflow = () =>
      page.evaluate(
        '[document, ...document.querySelectorAll(".conversation, .scroller, .inner, dialog")].filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length',
      )
    expect(await overflow()).toBe(0)
    if (width < 800) {
      await page.getByRole('button', { name: 'Groups and agents' }).click()
      await page.getByRole('link', { name: /a test/ }).waitFor()
    }
    await page.getByRole('button', { name: 'New group' }).click()
    await page.getByRole('dialog').waitFor()
    expect(await overflow()).toBe(0)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    const toggle = page.getByRole('button', { name: /^Colours/ })
    await toggle.click()
    await page.getByRole('button', { name: 'Colours: light' }).waitFor()
    expect(await colour()).toBe('rgb(251, 250, 247)')
    await toggle.click()
    expect(await colour()).toBe('rgb(22, 23, 26)')
  })
})
