import { execFileSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest'
import type { LettaMessage } from '../../src/wire/message.ts'
import type { Api } from '../support/api.ts'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
if (!executablePath) console.info('There is no Chromium here: the page is not tried in a browser')

const root = new URL('../../', import.meta.url).pathname

/** What needs a browser; skipped where there is none. */
export const inBrowser = executablePath ? describe : describe.skip

let browser: Browser

/** One browser for a file of tests, and the page as its sources are now. */
export function useBrowser() {
  beforeAll(async () => {
    buildPage()
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', '--disable-gpu'] })
  })
  afterAll(() => browser?.close())
}

function buildPage() {
  const built = join(root, 'dist/web/index.html')
  const changed = globSync(['src/web/**', 'src/stream/{fold,frame}.ts', 'rolldown.page.config.ts'], { cwd: root })
  const newest = Math.max(...changed.map((file) => statSync(join(root, file)).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  const rolldown = join(root, 'node_modules/rolldown/bin/cli.mjs')
  execFileSync(process.execPath, [rolldown, '--config', 'rolldown.page.config.ts'], { cwd: root, stdio: 'ignore' })
}

/** A browser of its own: what it stores is nobody else's. What goes wrong in its script, or against its policy, fails the test. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const wrong: string[] = []
  page.on('pageerror', (error) => wrong.push(error.stack ?? error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) wrong.push(message.text())
  })
  onTestFinished(async () => {
    await context.close()
    expect(wrong).toEqual([])
  })
  await page.goto(url)
  return page
}

export const addressOf = (url: string, kind: 'groups' | 'agents', id: string) => `${url}/#/${kind}/${id}`

export async function say(page: Page, text: string): Promise<void> {
  await page.fill('#composer', text)
  await page.press('#composer', 'Enter')
}

/** What the page shows as said, in order: who, and what. */
export async function shown(page: Page): Promise<[speaker: string, text: string][]> {
  const turns = await page.locator('.transcript .turn:not(.waiting)').all()
  const said = await Promise.all(
    turns.map(async (turn) => {
      const texts = await turn.locator('.speech').allInnerTexts()
      const speaker = await turn.locator('h3').innerText()
      return texts.map((text): [string, string] => [speaker, plain(text)])
    }),
  )
  return said.flat()
}

/** The same of the API's list. */
export async function listed(api: Api, groupId: string): Promise<[speaker: string, text: string][]> {
  const rows = await api.get<LettaMessage[]>(`/v1/groups/${groupId}/messages?order=asc&limit=1000`)
  return rows.flatMap((row): [string, string][] => {
    if (row.message_type === 'user_message') return [['You', plain(row.content as string)]]
    return row.message_type === 'assistant_message' ? [[row.name!, plain(row.content as string)]] : []
  })
}

const plain = (text: string) => text.replace(/\s+/g, ' ').trim()

/** The page has come to rest, and shows what the API lists. */
export async function expectSettled(page: Page, api: Api, groupId: string): Promise<void> {
  await expect.poll(() => page.locator('.now').count(), patient).toBe(0)
  const wanted = await listed(api, groupId)
  await expect.poll(() => shown(page), patient).toEqual(wanted)
}

export const patient = { timeout: 45_000, interval: 100 }

/** Resolves when the page shows this text where things are said. */
export const sees = (page: Page, text: string) =>
  page.locator('.transcript .speech', { hasText: text }).first().waitFor(patient)
