import { expect, test } from 'vitest'
import { type Cast, startCast } from '../http/cast.ts'
import { addressOf, expectSettled, inBrowser, openPage, patient, say, shown, useBrowser } from './browser.ts'

const careful = {
  include_base_tools: true,
  memory_blocks: [{ label: 'human', value: '' }],
  tool_rules: [{ type: 'requires_approval', tool_name: 'memory_insert' }],
}
const insert = (text: string, id = 'call_1') => ({
  id,
  name: 'memory_insert',
  arguments: JSON.stringify({ label: 'human', new_string: text }),
})

/** Bob, the second of three, asks for leave. */
async function asking(cast: Cast, calls = [insert('likes tea')]) {
  const group = await cast.troupe('round_robin', ['Ann', 'Bob', 'Cyd'], { actors: { Bob: careful } })
  cast.play({ Bob: [{ text: 'May I?', toolCalls: calls }, { text: 'Thanks.' }] })
  return { id: group.id, bob: group.agent_ids[1]! }
}

const memoryOf = async (cast: Cast, agent: string) =>
  (await cast.api.get<{ value: string }>(`/v1/agents/${agent}/core-memory/blocks/human`)).value

inBrowser('calls that wait for an answer', () => {
  useBrowser()

  test('are approved where they stand, and the turn goes on; another browser sees the same', async () => {
    const cast = await startCast()
    const { id, bob } = await asking(cast)
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    await page.getByRole('region', { name: 'Calls that wait' }).getByText('Bob asks for leave to call memory_insert').waitFor()
    const other = await openPage(addressOf(cast.url, 'groups', id))
    await other.getByRole('button', { name: 'Approve' }).waitFor()
    await page.getByRole('button', { name: 'Approve' }).click()
    for (const one of [page, other]) {
      await expect.poll(async () => (await shown(one)).at(-1), patient).toEqual(['Cyd', 'Cyd speaks.'])
      await expectSettled(one, cast.api, id)
      expect(await one.getByRole('button', { name: 'Approve' }).count()).toBe(0)
      await one.locator('.call', { hasText: 'memory_insert' }).getByText('✓').waitFor()
    }
    expect(await memoryOf(cast, bob)).toContain('likes tea')
    await page.locator('.call summary').click()
    await page.locator('.call pre').nth(1).waitFor()
  })

  test('are denied with a reason, which the agent hears', async () => {
    const cast = await startCast()
    const { id, bob } = await asking(cast)
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    await page.getByLabel('Reason, if you deny it').fill('Too private')
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.locator('.call', { hasText: 'denied' }).waitFor(patient)
    await expect.poll(async () => (await shown(page)).at(-1), patient).toEqual(['Cyd', 'Cyd speaks.'])
    expect(JSON.stringify(cast.askedOf('Bob', 1).body.messages)).toContain('Too private')
    expect(await memoryOf(cast, bob)).toBe('')
  })

  test('are answered together when there are several', async () => {
    const cast = await startCast()
    const { id, bob } = await asking(cast, [insert('likes tea', 'a'), insert('likes coffee', 'b')])
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    await page.locator('.asked', { hasText: 'likes tea' }).getByRole('button', { name: 'Deny' }).click()
    await page.getByText('Noted; the others wait.').waitFor()
    await page.locator('.asked', { hasText: 'likes coffee' }).getByRole('button', { name: 'Approve' }).click()
    await expectSettled(page, cast.api, id)
    await expect.poll(() => memoryOf(cast, bob), patient).toContain('likes coffee')
    expect(await memoryOf(cast, bob)).not.toContain('tea')
  })

  test('are given their result, when the tool is the client’s', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    cast.play({ Ann: [{ toolCalls: [{ name: 'look', arguments: '{}' }] }, { text: 'So it rains.' }] })
    await cast.send(`/v1/groups/${id}/messages`, { input: 'Hi', client_tools: [{ name: 'look', description: 'Looks out.' }] })
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await page.getByText('waits for the result of look').waitFor()
    await page.getByLabel('Result').fill('Rain.')
    await page.getByRole('button', { name: 'Give the result' }).click()
    await expect.poll(async () => (await shown(page)).at(-1), patient).toEqual(['Ann', 'So it rains.'])
    expect(JSON.stringify(cast.askedOf('Ann', 1).body.messages)).toContain('Rain.')
  })

  test('are given up by Stop; what somebody else has answered meanwhile is shown', async () => {
    const cast = await startCast()
    const { id } = await asking(cast)
    const [page, late] = [await openPage(addressOf(cast.url, 'groups', id)), await openPage(addressOf(cast.url, 'groups', id))]
    await say(page, 'Hi')
    await late.getByRole('button', { name: 'Approve' }).waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.locator('.call', { hasText: 'denied' }).waitFor(patient)
    await late.getByRole('button', { name: 'Approve' }).click()
    await late.locator('.call', { hasText: 'denied' }).waitFor(patient)
    cast.play({})
    await say(page, 'Again')
    await expectSettled(page, cast.api, id)
  })
})
