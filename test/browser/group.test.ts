import { expect, test } from 'vitest'
import type { Group } from '../../src/wire/group.ts'
import { startCast } from '../http/cast.ts'
import { Held } from '../support/scripted-provider.ts'
import { addressOf, expectSettled, inBrowser, listed, openPage, patient, say, sees, shown, useBrowser } from './browser.ts'

inBrowser('a person at the page', () => {
  useBrowser()

  test('makes a group of three in one form, and sees each of them speak as the words come', async () => {
    const cast = await startCast()
    const [ann, bob, cyd] = [cast.llm.hold(), cast.llm.hold(), cast.llm.hold()]
    const page = await openPage(cast.url)
    await page.click('[aria-label="New group"]')
    await page.fill('text="What it is for" >> xpath=.. >> input', 'Plan a weekend')
    for (const [index, name] of ['Ann', 'Bob', 'Cyd'].entries()) {
      const member = page.locator('.member').nth(index)
      await member.getByLabel('Name').fill(name)
      await member.getByLabel('Persona').fill(`${name} loves the sea.`)
      await member.getByLabel('Model').selectOption(index === 1 ? 'openai/scripted-small' : '')
    }
    await page.getByRole('button', { name: 'Make the group' }).click()
    await page.getByRole('heading', { name: 'Plan a weekend' }).waitFor()
    const [group] = await cast.api.get<Group[]>('/v1/groups/')
    expect(group).toMatchObject({ description: 'Plan a weekend', manager_type: 'round_robin' })

    await say(page, 'Where shall we go?')
    for (const [held, name] of [
      [ann, 'Ann'],
      [bob, 'Bob'],
      [cyd, 'Cyd'],
    ] as const) {
      held.push('To the ')
      await sees(page, 'To the')
      await page.locator('.now', { hasText: `${name} speaks` }).waitFor()
      expect((await shown(page)).at(-1)).toEqual([name, 'To the'])
      held.push(`sea, says ${name}.`)
      held.finish()
    }
    await expectSettled(page, cast.api, group!.id)
    expect((await shown(page)).map(([speaker]) => speaker)).toEqual(['You', 'Ann', 'Bob', 'Cyd'])
    // The second agent has the model that was picked for it.
    expect(cast.llm.requests[1]!.body.model).toBe('scripted-small')
    await page.reload()
    await expectSettled(page, cast.api, group!.id)
  })

  test('stops a run by Escape; what was said is kept', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob'])
    const held = cast.llm.hold()
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    held.push('I was about to ')
    await sees(page, 'I was about to')
    await page.press('#composer', 'Escape')
    await page.locator('.note', { hasText: 'Stopped.' }).waitFor()
    const [run] = await cast.api.get<any[]>(`/v1/runs?group_id=${id}`)
    expect(run).toMatchObject({ status: 'cancelled' })
    await expectSettled(page, cast.api, id)
  })

  test('may speak while they speak: it waits in line, can be taken back, or interrupts', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann'])
    const first = cast.llm.hold()
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'One')
    first.push('Speaking of one ')
    await sees(page, 'Speaking of one')
    await say(page, 'Two')
    await say(page, 'Three')
    await page.locator('.waiting .hint').nth(1).waitFor()
    await page.locator('.waiting', { hasText: 'Two' }).getByRole('button', { name: 'take it back' }).click()
    await page.locator('.waiting', { hasText: 'Two' }).waitFor({ state: 'detached' })
    first.finish()
    // What was taken back was said all the same, and the list has it where it was said: before the answer to the first.
    const bySpeaker = (said: [string, string][]) => Map.groupBy(said, ([speaker]) => speaker)
    await expect
      .poll(async () => bySpeaker(await shown(page)), patient)
      .toEqual(
        bySpeaker([
          ['You', 'One'],
          ['You', 'Two'],
          ['You', 'Three'],
          ['Ann', 'Speaking of one'],
          ['Ann', 'Ann speaks.'],
        ]),
      )
    expect(bySpeaker(await listed(cast.api, id))).toEqual(bySpeaker(await shown(page)))

    const held = cast.llm.hold()
    await say(page, 'Four')
    held.push('Never to be ')
    await sees(page, 'Never to be')
    await page.getByRole('combobox').selectOption('interrupt')
    await say(page, 'Five')
    await expect
      .poll(async () => (await shown(page)).slice(-2), patient)
      .toEqual([
        ['You', 'Five'],
        ['Ann', 'Ann speaks.'],
      ])
    expect(bySpeaker(await listed(cast.api, id))).toEqual(bySpeaker(await shown(page)))
  })

  test('sees those who speak at the same time, each for himself', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('supervisor', ['Ann', 'Bob'], { manager: 'Max' })
    const [ann, bob] = [new Held(), new Held()]
    const ask = { name: 'send_message_to_all_agents_in_group', arguments: '{"message": "Go!"}' }
    cast.play({ Max: [{ toolCalls: [ask] }, { text: 'That is all.' }], Ann: [ann], Bob: [bob] })
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    ann.step({ reasoning: 'Well, ' })
    await page.locator('.now', { hasText: 'Ann thinks' }).waitFor()
    bob.push('Bob and ')
    await page.locator('.now', { hasText: 'Bob speaks' }).waitFor()
    ann.push('Ann and ')
    await page.locator('.now', { hasText: 'Ann speaks' }).waitFor()
    expect(await page.locator('.now .who').allInnerTexts()).toEqual(['Ann speaks', 'Bob speaks'])
    bob.push('Ann.')
    bob.finish()
    ann.push('Bob.')
    ann.finish()
    await sees(page, 'That is all.')
    await expect.poll(() => page.locator('.now').count(), patient).toBe(0)
    expect(await shown(page)).toEqual([
      ['You', 'Hi'],
      ['Ann', 'Ann and Bob.'],
      ['Bob', 'Bob and Ann.'],
      ['Max', 'That is all.'],
    ])
    expect(await page.locator('.turn').count()).toBe(5)
  })

  test('is told why a run failed and what to do; the next one is free', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob'])
    cast.llm.script([{ text: 'Ann is well.' }, { status: 401 }])
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await say(page, 'Hi')
    const failure = page.getByRole('alert').filter({ hasText: 'did not come to its end' })
    await failure.getByText('Look at the API key of this provider').waitFor()
    await expectSettled(page, cast.api, id)
    await say(page, 'Again')
    await expect.poll(async () => (await shown(page)).at(-1), patient).toEqual(['Bob', 'Bob speaks.'])
    await failure.waitFor()
    await page.reload()
    await failure.getByText('Look at the API key of this provider').waitFor()
  })

  test('edits a group, begins it anew and deletes it, after being asked', async () => {
    const cast = await startCast()
    const { id } = await cast.troupe('round_robin', ['Ann', 'Bob'])
    const page = await openPage(addressOf(cast.url, 'groups', id))
    await page.getByRole('button', { name: 'Edit' }).click()
    await page.locator('.member').nth(1).getByRole('button', { name: 'Earlier' }).click()
    await page.getByLabel('Turns').fill('5')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('.heading', { hasText: 'In turn · Bob, Ann' }).waitFor()
    expect(await cast.api.get(`/v1/groups/${id}`)).toMatchObject({ max_turns: 5 })
    await say(page, 'Hi')
    await sees(page, 'Bob speaks.')
    await expectSettled(page, cast.api, id)
    await page.getByRole('button', { name: 'Begin anew' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Begin anew' }).click()
    await page.locator('.welcome').waitFor()
    expect(await cast.api.get(`/v1/groups/${id}/messages`)).toEqual([])
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await expect.poll(() => cast.api.get('/v1/groups/'), patient).toEqual([])
  })

  test('is told what is wrong with a form, and what was made already is not made again', async () => {
    const cast = await startCast()
    const page = await openPage(cast.url)
    await page.click('[aria-label="New group"]')
    await page.fill('text="What it is for" >> xpath=.. >> input', 'x')
    for (const left of [2, 1]) await page.locator('.member').nth(left).getByRole('button', { name: 'Leave out' }).click()
    await page.locator('.member').first().getByLabel('Name').fill('Ann')
    await page.getByRole('radio', { name: /^In the background, when full/ }).check()
    await page.locator('.member').nth(1).getByLabel('Name').fill('Max')
    await page.getByLabel('Messages at most').fill('5')
    await page.getByLabel('Messages kept').fill('7')
    await page.getByRole('button', { name: 'Make the group' }).click()
    await page.getByRole('alert').filter({ hasText: 'must be greater than' }).waitFor()
    await page.getByLabel('Messages at most').fill('9')
    await page.getByRole('button', { name: 'Make the group' }).click()
    await page.getByRole('heading', { name: 'x', exact: true }).waitFor()
    expect(await cast.api.get('/v1/agents/count')).toBe(2)
  })
})
