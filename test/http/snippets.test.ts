import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startServer } from '../support/server.ts'

/*
 * The guides' snippets, as they stand there: each is a program of its own, with real ids in the place of `group-…` and `agent-…`.
 */

const root = new URL('../../', import.meta.url).pathname

interface Snippet {
  title: string
  language: string
  code: string
}

function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(join(root, file), 'utf8')
  let heading = ''
  const snippets: Snippet[] = []
  for (const [, title, language, code] of text.matchAll(/^## (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title
    else {
      const n = snippets.filter((other) => other.title.startsWith(`${heading} `)).length
      snippets.push({ title: `${heading} ${n + 1}`, language: language!, code: code! })
    }
  }
  return snippets
}

/** What a browser has and Node has not. */
const browser = `
import { EventSource } from 'eventsource'
globalThis.EventSource = EventSource
globalThis.window = globalThis
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} }
`

/** Below node_modules, so that packages are found from there, and by no tool that looks at the project. */
const folder = join(root, 'node_modules/.cache/snippets', String(process.pid))

/** Runs it to its end. @returns what it printed; one that fails rejects */
async function run(code: string): Promise<string> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${crypto.randomUUID()}.mjs`)
  writeFileSync(file, code)
  writeFileSync(join(folder, 'browser.mjs'), browser)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const preloaded = code.includes('EventSource') ? ['--import', join(folder, 'browser.mjs')] : []
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...preloaded, file], { timeout: 60_000 })
  expect(stderr).toBe('')
  return stdout
}

/** A server with a group of two, and the code made to talk to them. */
async function prepared(code: string): Promise<string> {
  const { api, url, llm } = await startServer()
  llm.script((_body, n) => ({ text: `line ${n} of this talk` }))
  const group = await api.group(['ana', 'ben'])
  return code
    .replaceAll('http://127.0.0.1:8283', url)
    .replaceAll("'group-…'", `'${group.id}'`)
    .replaceAll("'agent-…'", `'${group.agent_ids[0]}'`)
}

const said = (output: string, name: string) =>
  [...output.matchAll(new RegExp(`${name}: (.*)`, 'g'))].map(([, text]) => text).join('')

/** What each must print. */
const clients: Record<string, (output: string) => void> = {
  'fetch 1'(output) {
    // The first piece was seen before the connection was lost.
    expect(said(output, 'ana')).toBe('1 of this talk')
    expect(said(output, 'ben')).toBe('line 2 of this talk')
  },
  'EventSource 1'(output) {
    expect([said(output, 'ana'), said(output, 'ben')]).toEqual(['line 1 of this talk', 'line 2 of this talk'])
  },
  'EventSource 2'(output) {
    expect(output).toMatch(/^1\.\d+ ana: line 1 of this talk\n1\.\d+ ben: line 2 of this talk\n$/)
  },
  '@microsoft/fetch-event-source 1'(output) {
    expect([said(output, 'ana'), said(output, 'ben')]).toEqual(['line 1 of this talk', 'line 2 of this talk'])
  },
  'letta-client 1'(output) {
    expect([said(output, 'ana'), said(output, 'ben')]).toEqual(['line 1 of this talk', 'line 2 of this talk'])
    expect(output.match(/^listed .*$/gm)).toEqual([
      'listed user_message',
      'listed assistant_message',
      'listed assistant_message',
    ])
  },
  'letta-client 2'(output) {
    expect([said(output, 'ana'), said(output, 'ben')]).toEqual(['1 of this talk', 'line 2 of this talk'])
  },
  'OpenAI’s clients 1'(output) {
    expect(output).toMatch(/^\*\*ana:\*\* line 1 of this talk\n\n\*\*ben:\*\* line 2 of this talk\n\d+ tokens\n$/)
  },
  'Vercel AI SDK 1'(output) {
    expect(output).toBe('line 1 of this talk')
  },
}

const inJs = snippetsOf('docs/clients.md').filter(({ language }) => language === 'js')

test('every snippet of the guide is run, and only those that are there', () => {
  expect(inJs.map(({ title }) => title).toSorted()).toEqual(Object.keys(clients).toSorted())
})

describe('docs/clients.md', () => {
  test.each(inJs.map(({ title, code }) => [title, code] as const))('%s', async (title, code) => {
    clients[title]!(await run(await prepared(code)))
  })
})

describe('README.md', () => {
  const prelude = `const groupId = 'group-…'\nconst show = (name, otid, text) => console.log(name + ': ' + text)\nconst showError = console.error\n`
  const shown = snippetsOf('README.md').filter(({ language, title }) => language === 'js' && title.startsWith('From '))

  test('its snippets for clients are found', () => expect(shown.length).toBeGreaterThanOrEqual(3))

  test.each(shown.map(({ title, code }) => [title, code] as const))('%s', async (_title, code) => {
    const output = await run(await prepared(prelude + code))
    const words = output.replaceAll(/\s|\w+: /g, '')
    expect(words).toContain('line1ofthistalk')
    expect(words).toContain('line2ofthistalk')
  })
})
